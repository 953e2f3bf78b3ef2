// What is on its way through a GPU at once: the copies of some parts, of one job or of several, and
// the one launch that decodes them.
//
//   copy stream    | copies from pinned host memory to frames or staging | copied |
//   decode stream                                          waits for copied | tables and list of
//                    tiles | kernel | tiles' errors back to the host | done |
//
// A flight has its own staging memory, on the GPU and pinned, which the next one does not touch; a
// GPU has some of them, so that one is copied while another is decoded.
#ifndef ECF8_LOADER_CUDA_FLIGHT_H_
#define ECF8_LOADER_CUDA_FLIGHT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "decoder/code_table.h"
#include "decoder/tile_batch.h"
#include "decoder/tile_work.h"
#include "loader/cuda/cuda_calls.h"
#include "loader/cuda/cuda_objects.h"
#include "loader/cuda/device_memory.h"
#include "loader/cuda/pinned_ranges.h"
#include "loader/engine/device.h"
#include "loader/model/unit_tables.h"

namespace ecf8 {

// A job whose checksums are right and whose tables are ready, on its way through flights.
struct CudaJob {
  DeviceJob job;
  const UnitTables* tables = nullptr;  // null where the unit has none
  DeviceJobDone done;
  size_t next_part = 0;  // the first that no flight has taken
  size_t flights = 0;    // that hold parts of it

  bool all_taken() const { return next_part == job.parts.size(); }
  // Takes the status, unless a part before it has failed. No further part is taken.
  void Fail(size_t part, absl::Status status);
};

// Where a flight goes, all of one GPU.
struct FlightPath {
  CudaCalls* cuda = nullptr;
  int device = 0;
  CudaStream copy_stream = nullptr;
  CudaStream decode_stream = nullptr;
  TileDecodeShape shape{};
  const PinnedRanges* pinned = nullptr;
  const DeviceMemory* frames = nullptr;
};

// Thread-compatible. The path's device is the calling thread's current one in all calls.
class Flight {
 public:
  // What a flight takes of pinned host memory, besides staging.
  static uint64_t PinnedBytes();

  // Staging for `staging_bytes`, at least kChunkWeights, of host memory that is not pinned and of
  // parts that need to be put together.
  static absl::StatusOr<std::unique_ptr<Flight>> Create(const FlightPath& path,
                                                        uint64_t staging_bytes);

  // Takes parts of the job, from the first that is left on. False where there was no room for all.
  // A job that fails here is done with this flight's end.
  bool TakeParts(CudaJob* job);
  bool empty() const { return jobs_.empty(); }

  // Puts copies and launch into the streams. After an error some of them may be there: Seal says
  // when they have passed, too.
  absl::Status Launch();
  // Marks the end of what Launch did, for done(). After an error nobody knows when it is done.
  absl::Status Seal();
  // kCudaNotReady until all has passed; after another error, ditto.
  CudaError Query() const;

  // After all has passed: the jobs learn which of their parts could not be decoded, or `failure`
  // where that is an error; and the flight is empty. Returns the jobs.
  std::vector<CudaJob*> Finish(absl::Status failure);
  // The device is lost: gives up the jobs.
  std::vector<CudaJob*> Abandon();

 private:
  struct Copy {
    uint8_t* to;
    const uint8_t* from;
    uint64_t size_bytes;
    CudaCopy direction;
  };
  struct PartOfJob {
    CudaJob* job;
    size_t part;
  };

  explicit Flight(const FlightPath& path) : path_(path) {}
  bool TakePart(CudaJob* job, size_t part);
  bool TakeHostPart(const CudaJob& job, const UnitPart& part, const uint8_t** stored_dev);
  bool TakeFramesPart(const CudaJob& job, const UnitPart& part, const uint8_t** stored_dev);
  void AddTiles(CudaJob* job, size_t part, const TableSet* tables, const uint8_t* stored_dev);
  size_t TablesOf(const TableSet& tables);
  bool HasRoomForTiles(const UnitPart& part, const TableSet* tables) const;
  Extents PinnedPieces(const Extents& host);
  Extents FramesPieces(const Extents& frames, const UnitPart& part) const;
  void AddCopies(const Extents& from, const Extents& to, CudaCopy direction);
  void AddCopy(const Copy& copy);
  absl::Status JoinStreams();
  absl::StatusOr<TileWork> CopyImage(CudaStream stream);
  absl::Status LaunchDecode(const TileWork& work);
  absl::Status Do(CudaError error, const char* call) const;
  int64_t ElapsedNs(const OwnedEvent& begin, const OwnedEvent& end) const;

  const FlightPath path_;
  uint64_t staging_bytes_ = 0;
  DeviceBuffer staging_dev_;
  PinnedBuffer bounce_;     // staging for host memory that is not pinned
  DeviceBuffer image_dev_;  // look-up tables, then the launch's list of tiles
  PinnedBuffer image_;
  DeviceBuffer errors_dev_;
  PinnedBuffer errors_;
  OwnedEvent copy_begin_;
  OwnedEvent copied_;
  OwnedEvent decode_begin_;
  OwnedEvent done_;

  std::vector<CudaJob*> jobs_;
  std::vector<Copy> copies_;
  TileBatch batch_;
  std::vector<PartOfJob> calls_;  // of TileBatch::Add
  std::vector<const TableSet*> table_sets_;
  uint64_t tables_bytes_ = 0;  // of image_
  uint64_t staged_bytes_ = 0;
  uint64_t bounced_bytes_ = 0;
  bool joined_ = false;  // the decode stream waits for the copies
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_FLIGHT_H_
