// The decoder's kernel, in the emulator, as the kernel of the fake of CUDA: what the device lays
// out for a launch meets what the kernel expects.
#ifndef ECF8_TESTS_EMULATION_EMULATED_TILE_KERNEL_H_
#define ECF8_TESTS_EMULATION_EMULATED_TILE_KERNEL_H_

#include <string>

#include "tests/support/fake_cuda/cpu_tile_kernel.h"

namespace ecf8::emulation {

// As RunTileWorkOnCpu, for FakeCudaOptions::kernel. Every part of the work gets a buffer of its
// exact size, so that what the kernel touches besides is found; `where` then has the emulator's
// error. Thread-safe.
bool RunTileWorkEmulated(const TileWork& work, const testing::ResolveAddress& resolve,
                         std::string* where);

}  // namespace ecf8::emulation

#endif  // ECF8_TESTS_EMULATION_EMULATED_TILE_KERNEL_H_
