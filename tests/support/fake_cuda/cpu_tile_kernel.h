// What the decoder's kernel does, by the CPU's decoder: the same descriptor, the same results.
#ifndef ECF8_TESTS_SUPPORT_FAKE_CUDA_CPU_TILE_KERNEL_H_
#define ECF8_TESTS_SUPPORT_FAKE_CUDA_CPU_TILE_KERNEL_H_

#include <cstdint>
#include <functional>
#include <string>

#include "decoder/tile_work.h"

namespace ecf8::testing {

// Where the bytes of a device address are; null where the kernel may not touch all of them.
using ResolveAddress =
    std::function<uint8_t*(const void* address_dev, uint64_t size_bytes, bool write)>;

// Decodes all tiles of `work`. False, and where, if it would touch what it may not: on a GPU, an
// illegal address.
bool RunTileWorkOnCpu(const TileWork& work, const ResolveAddress& resolve, std::string* where);

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_FAKE_CUDA_CPU_TILE_KERNEL_H_
