#include "loader/checkpoint/strict_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

// Writes down what it is told.
class Recorder final : public JsonEvents {
 public:
  std::string log;

  absl::Status BeginObject() override { return Log("{"); }
  absl::Status EndObject() override { return Log("}"); }
  absl::Status BeginArray() override { return Log("["); }
  absl::Status EndArray() override { return Log("]"); }
  absl::Status Key(std::string&& key) override { return Log(absl::StrCat(key, ":")); }
  absl::Status String(std::string&& value) override { return Log(absl::StrCat("'", value, "'")); }
  absl::Status Unsigned(uint64_t value) override { return Log(absl::StrCat(value)); }
  absl::Status Other(std::string_view what) override {
    return Log(absl::StrCat("<", ToAbsl(what), ">"));
  }

 private:
  absl::Status Log(const std::string& event) {
    log += event + " ";
    return absl::OkStatus();
  }
};

TEST(StrictJson, EveryEventInOrder) {
  Recorder recorder;
  ASSERT_THAT(ParseStrictJson(R"({"a":[1,"x\u00e9\ud83d\ude42",{}],"b":null,"c":[true,-1,1.5]} )"
                              "\n\t ",
                              recorder),
              IsOk());
  EXPECT_EQ(recorder.log,
            "{ a: [ 1 'xé🙂' { } ] b: <null> c: [ <a boolean> <a negative number> "
            "<a fraction or too large a number> ] } ");
}

TEST(StrictJson, NumbersThatFit) {
  Recorder recorder;
  ASSERT_THAT(
      ParseStrictJson(R"({"a":[18446744073709551615,18446744073709551616,-0,1e2]})", recorder),
      IsOk());
  EXPECT_EQ(recorder.log,
            "{ a: [ 18446744073709551615 <a fraction or too large a number> <a negative number> "
            "<a fraction or too large a number> ] } ");
}

TEST(StrictJson, WhatIsNotOneObject) {
  using std::string_literals::operator""s;
  for (const std::string& bad : {""s,
                                 " "s,
                                 " {}"s,
                                 "\xEF\xBB\xBF{}"s,
                                 "[]"s,
                                 "1"s,
                                 "{"s,
                                 "{}{}"s,
                                 "{} x"s,
                                 "{}\0"s,
                                 "{\"a\":1}\0garbage"s,
                                 "{\"a\0\":1}"s,
                                 "{\"a\":1,}"s,
                                 "{a:1}"s,
                                 "{\"a\":01}"s,
                                 "{\"a\":\"\xFF\"}"s,
                                 "{\"\xC0\xAF\":1}"s,
                                 "{\"a\":\"\\ud800\"}"s,
                                 "{\"a\":\"\n\"}"s,
                                 "{/**/}"s,
                                 "{\"a\":NaN}"s,
                                 "{\"a\":1e999}"s,
                                 "{\"a\":\"\\x\"}"s}) {
    Recorder recorder;
    EXPECT_THAT(ParseStrictJson(bad, recorder),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("JSON")))
        << Quoted(bad);
  }
}

TEST(StrictJson, Depth) {
  const auto nested = [](int depth) {
    return absl::StrCat("{\"a\":", std::string(depth - 1, '['), std::string(depth - 1, ']'), "}");
  };
  Recorder recorder;
  EXPECT_THAT(ParseStrictJson(nested(kMaxJsonDepth), recorder), IsOk());
  EXPECT_THAT(ParseStrictJson(nested(kMaxJsonDepth + 1), recorder),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("deeper")));
  EXPECT_THAT(ParseStrictJson("{\"a\":" + std::string(10'000'000, '['), recorder),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("deeper")));
}

TEST(StrictJson, ADefaultHandlerRefusesEverything) {
  JsonEvents events;
  EXPECT_THAT(ParseStrictJson("{}", events),
              StatusIs(absl::StatusCode::kInvalidArgument, "unexpected an object"));
}

TEST(StrictJson, QuotedRoundTrips) {
  const std::string text = "größe \"q\" \\ \n\t\x01 🙂";
  Recorder recorder;
  ASSERT_THAT(ParseStrictJson(absl::StrCat("{\"a\":", JsonQuoted(text), "}"), recorder), IsOk());
  EXPECT_EQ(recorder.log, absl::StrCat("{ a: '", text, "' } "));
  EXPECT_EQ(JsonQuoted("a\xFF"), "\"a\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace ecf8
