// The decoder on an NVIDIA GPU. Knows no CUDA types, so that anything may include it.
#ifndef ECF8_DECODER_TILE_DECODE_CUDA_H_
#define ECF8_DECODER_TILE_DECODE_CUDA_H_

#include <cstdint>

#include "decoder/tile_work.h"

namespace ecf8 {

// How the kernel runs on a device.
struct TileDecodeShape {
  int warps = 0;                 // of a block: as many tiles are decoded at once
  int blocks = 0;                // that a multiprocessor runs at once with kMaxTables tables
  int multiprocessors = 0;       //
  int shared_memory_offset = 0;  // the first byte of shared memory that a program gets
};

// Asks about the current device and prepares the kernel for it. Once for each device, before its
// first launch. Returns a cudaError_t, 0 for success; cudaErrorInvalidConfiguration if the device's
// shared memory is too small for kMaxTables tables.
int PrepareTileDecode(TileDecodeShape* shape);

// Puts the decoding of `work` in the stream (a cudaStream_t) of the current device and returns
// before it is done: a cudaError_t, 0 for success, of the launch alone. What work points to, the
// stored chunks and the tables must stay until the stream is past it, and so must the output.
//
// Every tile of work is decoded or copied to its place and its error is set to kNone; or its error
// says what is wrong with its stored bytes, and then its output is unspecified. Whatever the stored
// bytes are, no byte outside of the chunks' stored bytes is read and none outside of the tiles'
// output is written. Damage that only a checksum could show is not found. Thread-safe.
int LaunchTileDecode(const TileDecodeShape& shape, const TileWork& work, void* stream);

}  // namespace ecf8

#endif  // ECF8_DECODER_TILE_DECODE_CUDA_H_
