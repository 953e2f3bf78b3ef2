// JSON of others, of which little is wanted.
#ifndef ECF8_LOADER_REMOTE_ANY_JSON_H_
#define ECF8_LOADER_REMOTE_ANY_JSON_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "loader/checkpoint/strict_json.h"

namespace ecf8 {

// Takes everything, and knows how deep it is and behind which key.
class AnyEvents : public JsonEvents {
 public:
  absl::Status BeginObject() override { return Begin(); }
  absl::Status EndObject() override {
    --depth_;
    return absl::OkStatus();
  }
  absl::Status BeginArray() override { return Begin(); }
  absl::Status EndArray() override {
    --depth_;
    return absl::OkStatus();
  }
  absl::Status Key(std::string&& key) override {
    key_ = std::move(key);
    return absl::OkStatus();
  }
  absl::Status String(std::string&& /*value*/) override { return absl::OkStatus(); }
  absl::Status Unsigned(uint64_t /*value*/) override { return absl::OkStatus(); }
  absl::Status Other(std::string_view /*what*/) override { return absl::OkStatus(); }

 protected:
  int depth() const { return depth_; }
  const std::string& key() const { return key_; }

 private:
  absl::Status Begin() {
    ++depth_;
    return absl::OkStatus();
  }

  int depth_ = 0;
  std::string key_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_ANY_JSON_H_
