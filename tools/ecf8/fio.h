// fio, the peer of everything here that reads: the Debian package of that name, as a process.
#ifndef ECF8_TOOLS_ECF8_FIO_H_
#define ECF8_TOOLS_ECF8_FIO_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace ecf8 {

struct FioRead {
  std::string path;
  uint64_t size_bytes = 0;  // from the start of the file
  bool direct = true;       // O_DIRECT
  bool huge_pages = false;  // buffers in pages that vm.nr_hugepages has reserved; 64 are needed
};

// Reads sequentially with io_uring, 4 MiB a request, 32 in flight, registered buffers and files.
// GB/s as fio gives them, without its start. NOT_FOUND where there is no fio.
absl::StatusOr<double> RunFioRead(const FioRead& read);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_FIO_H_
