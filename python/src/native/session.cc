#include "python/src/native/session.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <utility>

#include "python/src/native/daemon.h"
#include "python/src/native/errors.h"

namespace ecf8::python {
namespace {

namespace nb = nanobind;
using namespace nb::literals;

using SharedLease = std::shared_ptr<LeaseHolder>;

// An acquire that ^C ends.
absl::StatusOr<Lease> AcquireUnits(ClientSession& session, const std::vector<uint32_t>& units,
                                   int64_t timeout_ms, SignalWatch& signals) {
  const auto begun = std::chrono::steady_clock::now();
  absl::StatusOr<PendingLease> pending = session.StartAcquire(units, Within(timeout_ms));
  if (!pending.ok()) return pending.status();
  while (true) {
    absl::StatusOr<Lease> lease = pending->Wait({.timeout = kSignalInterval});
    if (!absl::IsDeadlineExceeded(lease.status())) return lease;
    const absl::Status signalled = signals.Poll();
    if (!signalled.ok()) return signalled;
    const auto waited = std::chrono::steady_clock::now() - begun;
    if (timeout_ms > 0 && waited >= std::chrono::milliseconds(timeout_ms)) return lease;
  }
}

SharedLease Acquire(const SessionHolder& holder, const std::vector<uint32_t>& units,
                    int64_t timeout_ms) {
  const auto session = ValueOrRaise(holder.session());
  SignalWatch signals;
  absl::StatusOr<Lease> lease;
  SharedLease held;
  {
    const nb::gil_scoped_release release;
    lease = AcquireUnits(*session, units, timeout_ms, signals);
    if (lease.ok()) held = std::make_shared<LeaseHolder>(*std::move(lease), holder.guard());
  }
  signals.RaiseIfError(lease.status());
  return held;
}

// The array owns the lease: weights do not change under whoever holds one of an unnamed lease.
template <typename Array>
Array View(const SharedLease& lease, size_t i, uint64_t offset_bytes, uint64_t size_bytes) {
  if (!lease->leased() || i >= lease->size()) throw nb::value_error("the lease has ended");
  const absl::Span<const uint8_t> bytes = lease->bytes(i);
  if (offset_bytes > bytes.size() || size_bytes > bytes.size() - offset_bytes) {
    throw nb::index_error("beyond the unit's end");
  }
  auto owner = std::make_unique<SharedLease>(lease);
  const nb::capsule capsule(owner.get(), [](void* pointer) noexcept {
    const std::unique_ptr<SharedLease> last(static_cast<SharedLease*>(pointer));
    const nb::gil_scoped_release release;  // it may have something to say to the daemon
    last->reset();
  });
  owner.release();
  // PyTorch knows no tensors that cannot be written to.
  return Array(const_cast<uint8_t*>(bytes.data() + offset_bytes), {size_bytes}, capsule);
}

using NumpyView = nb::ndarray<nb::numpy, const uint8_t, nb::ndim<1>>;
using TorchView = nb::ndarray<nb::pytorch, uint8_t, nb::ndim<1>>;

absl::Status WithoutGil(const SharedLease& lease, int64_t timeout_ms) {
  const nb::gil_scoped_release release;
  return lease->Release(Within(timeout_ms));
}

void BindLease(nb::module_& module) {
  nb::class_<LeaseHolder>(module, "Lease")
      .def_prop_ro("leased", &LeaseHolder::leased)
      .def(
          "units",
          [](const LeaseHolder& lease) {
            std::vector<UnitInfo> units;
            for (size_t i = 0; i < lease.size(); ++i) units.push_back(lease.unit(i));
            return units;
          },
          "As they were asked for; empty once it has ended.")
      .def("numpy", &View<NumpyView>, "unit"_a, "offset_bytes"_a, "size_bytes"_a,
           "Bytes of the `unit`th unit, where they are.")
      .def("torch", &View<TorchView>, "unit"_a, "offset_bytes"_a, "size_bytes"_a,
           "The same as a tensor.")
      .def("check", [](const LeaseHolder& lease) { RaiseIfError(lease.Check()); })
      .def(
          "release",
          [](const SharedLease& lease, int64_t timeout_ms) {
            RaiseIfError(WithoutGil(lease, timeout_ms));
          },
          "timeout_ms"_a);
}

template <typename Call>
void Do(const SessionHolder& holder, Call call) {
  const auto session = ValueOrRaise(holder.session());
  absl::Status status;
  {
    const nb::gil_scoped_release release;
    status = call(*session);
  }
  RaiseIfError(status);
}

}  // namespace

CallOptions Within(int64_t timeout_ms) {
  return {.timeout = std::chrono::milliseconds(timeout_ms)};
}

LeaseHolder::LeaseHolder(Lease lease, std::shared_ptr<PageGuard> guard)
    : lease_(std::move(lease)), mapping_(lease_.mapping()), guard_(std::move(guard)) {
  if (guard_ == nullptr) return;
  for (size_t i = 0; i < lease_.size(); ++i) {
    guarded_.push_back(lease_.bytes(i));
    guard_->Hold(guarded_.back());
  }
}

LeaseHolder::~LeaseHolder() { LetGo(); }

absl::Status LeaseHolder::Release(const CallOptions& options) {
  const absl::Status released = lease_.Release(options);
  if (!leased()) LetGo();
  return released;
}

void LeaseHolder::LetGo() {
  for (const absl::Span<const uint8_t> bytes : guarded_) guard_->LetGo(bytes);
  guarded_.clear();
}

absl::StatusOr<std::shared_ptr<ClientSession>> SessionHolder::session() const {
  MutexLock lock(mutex_);
  if (session_ != nullptr) return session_;
  return absl::FailedPreconditionError("the session is closed");
}

void SessionHolder::Close() {
  std::shared_ptr<ClientSession> closing;
  {
    MutexLock lock(mutex_);
    closing = std::move(session_);
  }
  // Others are in a call: they return now, and the last of them ends it.
  if (closing != nullptr && closing.use_count() > 1) closing->Cancel();
}

void BindSessions(nb::module_& module) {
  BindLease(module);
  nb::class_<SessionHolder>(module, "Session")
      .def("acquire", &Acquire, "units"_a, "timeout_ms"_a)
      .def(
          "hint",
          [](const SessionHolder& holder, const std::vector<uint32_t>& units, int64_t timeout_ms) {
            Do(holder, [&](ClientSession& s) { return s.Hint(units, Within(timeout_ms)); });
          },
          "units"_a, "timeout_ms"_a)
      .def(
          "skip",
          [](const SessionHolder& holder, uint32_t count, int64_t timeout_ms) {
            Do(holder, [&](ClientSession& s) { return s.Skip(count, Within(timeout_ms)); });
          },
          "count"_a, "timeout_ms"_a)
      .def(
          "reopen",
          [](const SessionHolder& holder, int64_t timeout_ms) {
            Do(holder, [&](ClientSession& s) { return s.Reopen(Within(timeout_ms)); });
          },
          "timeout_ms"_a)
      .def("check",
           [](const SessionHolder& holder) { Do(holder, [](auto& s) { return s.status(); }); })
      .def("model",
           [](const SessionHolder& holder) { return ValueOrRaise(holder.session())->model(); })
      .def_prop_ro(
          "slot_bytes",
          [](const SessionHolder& holder) { return ValueOrRaise(holder.session())->slot_bytes(); })
      .def("close", &SessionHolder::Close, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace ecf8::python
