#include "python/src/native/dequantize.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "decoder/dequantize.h"
#include "python/src/native/parallel.h"

namespace ecf8::python {
namespace {

namespace nb = nanobind;
using namespace nb::literals;

using Scales = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// So many weights make it worth while to wake another thread, and to wait for it where it has begun
// and others have its core.
constexpr size_t kWeightsOfAThread = size_t{2} << 20;

size_t CeilDiv(size_t value, size_t by) { return value / by + (value % by != 0 ? 1 : 0); }

Codec CodecOf(const std::string& dtype) {
  if (dtype == "F8_E4M3") return Codec::kE4M3;
  if (dtype == "F8_E5M2") return Codec::kE5M2;
  throw nb::value_error("weights are F8_E4M3 or F8_E5M2");
}

// A matrix's scales, one a block. Immutable.
class Dequantizer {
 public:
  Dequantizer(const std::string& dtype, size_t rows, size_t columns, size_t block_rows,
              size_t block_columns, const Scales& scales)
      : codec_(CodecOf(dtype)),
        rows_(rows),
        columns_(columns),
        block_rows_(block_rows),
        block_columns_(block_columns),
        scales_(scales.data(), scales.data() + scales.size()) {
    if (block_rows == 0 || block_columns == 0) throw nb::value_error("a block has no elements");
    if (columns != 0 && rows > SIZE_MAX / sizeof(float) / columns) {
      throw nb::value_error("a matrix that no memory holds");
    }
    if (scales.shape(0) != CeilDiv(rows, block_rows) ||
        scales.shape(1) != CeilDiv(columns, block_columns)) {
      throw nb::value_error("the scales are not one a block");
    }
  }

  // Addresses of memory of the matrix's size: to make an array of each takes longer than a small
  // matrix.
  template <typename Out>
  void Run(uintptr_t weights_address, uintptr_t out_address) const {
    if (out_address % alignof(Out) != 0) {
      throw nb::value_error("the memory is not aligned to its elements");
    }
    const auto* const weights = reinterpret_cast<const uint8_t*>(weights_address);
    auto* const values = reinterpret_cast<Out*>(out_address);
    const nb::gil_scoped_release release;
    const size_t bands = CeilDiv(rows_, block_rows_);
    const size_t parts = std::clamp<size_t>(rows_ * columns_ / kWeightsOfAThread, 1, bands + 1);
    const size_t bands_of_part = CeilDiv(bands, parts);
    ParallelFor(bands == 0 ? 0 : CeilDiv(bands, bands_of_part), [&](size_t part) {
      const size_t end = std::min(bands, (part + 1) * bands_of_part);
      for (size_t band = part * bands_of_part; band < end; ++band) {
        RunBand(band, weights, values);
      }
    });
  }

 private:
  template <typename Out>
  void RunBand(size_t band, const uint8_t* weights, Out* values) const {
    const size_t first_row = band * block_rows_;
    const size_t blocks = CeilDiv(columns_, block_columns_);
    for (size_t i = 0; i < blocks; ++i) {
      const size_t offset = first_row * columns_ + i * block_columns_;
      const ScaledBlock block{codec_,
                              scales_[band * blocks + i],
                              weights + offset,
                              std::min(block_rows_, rows_ - first_row),
                              std::min(block_columns_, columns_ - i * block_columns_),
                              columns_};
      if constexpr (sizeof(Out) == 2) {
        DequantizeToBf16(block, values + offset);
      } else {
        DequantizeToF32(block, values + offset);
      }
    }
  }

  const Codec codec_;
  const size_t rows_;
  const size_t columns_;
  const size_t block_rows_;
  const size_t block_columns_;
  const std::vector<float> scales_;
};

}  // namespace

void BindDequantizer(nb::module_& module) {
  nb::class_<Dequantizer>(module, "Dequantizer", "A matrix's scales, one a block.")
      .def(nb::init<const std::string&, size_t, size_t, size_t, size_t, const Scales&>(), "dtype"_a,
           "rows"_a, "columns"_a, "block_rows"_a, "block_columns"_a, nb::arg("scales").noconvert())
      .def("bf16", &Dequantizer::Run<uint16_t>, "weights"_a, "out"_a,
           "Fills memory at the address `out` with the BF16 values of the weights at the address "
           "`weights`, without the GIL.")
      .def("f32", &Dequantizer::Run<float>, "weights"_a, "out"_a, "The same in F32.");
}

}  // namespace ecf8::python
