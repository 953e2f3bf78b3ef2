#include "python/src/native/session.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
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

// Waits, until ^C as well. What was not there in time may be waited for again.
absl::StatusOr<Lease> WaitFor(PendingLease& pending, int64_t timeout_ms, SignalWatch& signals) {
  const auto begun = std::chrono::steady_clock::now();
  while (true) {
    absl::StatusOr<Lease> lease = pending.Wait({.timeout = kSignalInterval});
    if (!absl::IsDeadlineExceeded(lease.status())) return lease;
    const absl::Status signalled = signals.Poll();
    if (!signalled.ok()) return signalled;
    const auto waited = std::chrono::steady_clock::now() - begun;
    if (timeout_ms > 0 && waited >= std::chrono::milliseconds(timeout_ms)) return lease;
  }
}

SharedLease Wait(PendingHolder& holder, int64_t timeout_ms) {
  SignalWatch signals;
  absl::StatusOr<Lease> lease;
  SharedLease held;
  {
    const nb::gil_scoped_release release;
    lease = WaitFor(holder.pending, timeout_ms, signals);
    if (lease.ok()) held = std::make_shared<LeaseHolder>(*std::move(lease), holder.guard);
  }
  signals.RaiseIfError(lease.status());
  return held;
}

// `done` may be null.
std::unique_ptr<PendingHolder> Start(const SessionHolder& holder,
                                     const std::vector<uint32_t>& units, const SharedLease& done,
                                     int64_t timeout_ms) {
  const auto session = ValueOrRaise(holder.session());
  absl::StatusOr<PendingLease> pending;
  {
    const nb::gil_scoped_release release;
    pending = done == nullptr ? session->StartAcquire(units, Within(timeout_ms))
                              : done->Exchange(*session, units, Within(timeout_ms));
  }
  return std::make_unique<PendingHolder>(ValueOrRaise(std::move(pending)), holder.guard());
}

SharedLease Acquire(const SessionHolder& holder, const std::vector<uint32_t>& units,
                    int64_t timeout_ms) {
  const auto pending = Start(holder, units, nullptr, timeout_ms);
  return Wait(*pending, timeout_ms);
}

template <typename Owner>
nb::capsule CapsuleOf(Owner owner) {
  auto kept = std::make_unique<Owner>(std::move(owner));
  const nb::capsule capsule(kept.get(), [](void* pointer) noexcept {
    const std::unique_ptr<Owner> last(static_cast<Owner*>(pointer));
    const nb::gil_scoped_release release;  // it may have something to say to the daemon
    last->reset();
  });
  kept.release();
  return capsule;
}

absl::Span<const uint8_t> BytesOf(const SharedLease& lease, size_t i) {
  if (!lease->leased() || i >= lease->size()) throw nb::value_error("the lease has ended");
  return lease->bytes(i);
}

// PyTorch knows no tensors that cannot be written to.
template <typename Array>
Array ArrayOf(absl::Span<const uint8_t> bytes, const nb::capsule& owner) {
  return Array(const_cast<uint8_t*>(bytes.data()), {bytes.size()}, owner);
}

// The array owns the lease: weights do not change under whoever holds one of an unnamed lease.
template <typename Array>
Array View(const SharedLease& lease, size_t i, uint64_t offset_bytes, uint64_t size_bytes) {
  const absl::Span<const uint8_t> bytes = BytesOf(lease, i);
  if (offset_bytes > bytes.size() || size_bytes > bytes.size() - offset_bytes) {
    throw nb::index_error("beyond the unit's end");
  }
  return ArrayOf<Array>(bytes.subspan(offset_bytes, size_bytes), CapsuleOf(lease));
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
      .def(
          "address",
          [](const SharedLease& lease, size_t i) {
            return reinterpret_cast<uintptr_t>(BytesOf(lease, i).data());
          },
          "unit"_a, "Of the `unit`th unit's bytes.")
      .def(
          "place",
          [](const SharedLease& lease, size_t i) {
            return ArrayOf<TorchView>(BytesOf(lease, i), CapsuleOf(lease->mapping()));
          },
          "unit"_a,
          "The place of the `unit`th unit as a tensor, which does not lease what is there.")
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

void BindPending(nb::module_& module) {
  nb::class_<PendingHolder>(module, "PendingLease", "Units that were asked for.")
      .def("wait", &Wait, "timeout_ms"_a, "The lease, once; after a timeout it goes on.");
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

absl::StatusOr<PendingLease> LeaseHolder::Exchange(ClientSession& session,
                                                   const std::vector<uint32_t>& units,
                                                   const CallOptions& options) {
  absl::StatusOr<PendingLease> pending = session.Exchange(lease_, units, options);
  if (!leased()) LetGo();
  return pending;
}

void LeaseHolder::LetGo() {
  for (const absl::Span<const uint8_t> bytes : guarded_) guard_->LetGo(bytes);
  guarded_.clear();
}

PendingHolder::~PendingHolder() {
  const nb::gil_scoped_release release;
  const PendingLease given_up = std::move(pending);
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
  BindPending(module);
  nb::class_<SessionHolder>(module, "Session")
      .def("acquire", &Acquire, "units"_a, "timeout_ms"_a)
      .def("start", &Start, "units"_a, "done"_a.none(), "timeout_ms"_a,
           "Asks for units, and in the same message gives `done` back, if it is a lease.")
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
