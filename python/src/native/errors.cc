#include "python/src/native/errors.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <string>

#include "loader/model/error_info.h"

namespace ecf8::python {
namespace {

namespace nb = nanobind;

nb::object OrNone(const std::string& text) {
  return text.empty() ? nb::none() : nb::object(nb::str(text.c_str(), text.size()));
}

}  // namespace

void Raise(const absl::Status& status) {
  nb::dict details;
  if (const std::optional<ErrorInfo> info = GetErrorInfo(status)) {
    details["model"] = OrNone(info->model);
    details["unit"] = OrNone(info->unit);
    details["tensor"] = OrNone(info->tensor);
    details["shard"] = OrNone(info->shard);
    details["offset_bytes"] = nb::int_(info->offset_bytes);
    details["shortfall_bytes"] = nb::int_(info->shortfall_bytes);
  }
  const std::string code = absl::StatusCodeToString(status.code());
  const std::string message(status.message());
  const nb::object error =
      nb::module_::import_("ecf8._errors").attr("from_status")(code, message, **details);
  PyErr_SetObject(error.type().ptr(), error.ptr());
  throw nb::python_error();
}

absl::Status SignalWatch::Poll() {
  const auto now = std::chrono::steady_clock::now();
  if (!raised_ && now - looked_ >= kSignalInterval) {
    looked_ = now;
    const nb::gil_scoped_acquire gil;
    raised_ = PyErr_CheckSignals() != 0;
  }
  return raised_ ? absl::CancelledError("interrupted") : absl::OkStatus();
}

void SignalWatch::RaiseIfError(const absl::Status& status) const {
  if (raised_) throw nb::python_error();
  python::RaiseIfError(status);
}

}  // namespace ecf8::python
