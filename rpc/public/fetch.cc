#include "ecf8/fetch.h"

#include <utility>

namespace ecf8 {

WeightBuffer::WeightBuffer() = default;
WeightBuffer::WeightBuffer(std::unique_ptr<uint8_t[]> data, uint64_t size_bytes)
    : data_(std::move(data)), size_bytes_(size_bytes) {}
WeightBuffer::~WeightBuffer() = default;
WeightBuffer::WeightBuffer(WeightBuffer&& other) noexcept
    : data_(std::move(other.data_)), size_bytes_(std::exchange(other.size_bytes_, 0)) {}
WeightBuffer& WeightBuffer::operator=(WeightBuffer&& other) noexcept {
  data_ = std::move(other.data_);
  size_bytes_ = std::exchange(other.size_bytes_, 0);
  return *this;
}

}  // namespace ecf8
