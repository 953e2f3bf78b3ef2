#include "loader/base/strings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace ecf8 {
namespace {

using std::string_literals::operator""s;

TEST(Strings, ToAbslKeepsEveryByte) {
  const std::string text = "a\0b"s;
  EXPECT_EQ(absl::StrCat(ToAbsl(text)), text);
  EXPECT_EQ(ToStd(ToAbsl(text)), text);
}

TEST(Strings, AddContextKeepsCodeAndPayloads) {
  absl::Status status = absl::DataLossError("bad chunk");
  status.SetPayload("ecf8.Detail", absl::Cord("payload"));
  const absl::Status with_context = AddContext(status, "unit layers.3");
  EXPECT_EQ(with_context.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(with_context.message(), "unit layers.3: bad chunk");
  ASSERT_TRUE(with_context.GetPayload("ecf8.Detail").has_value());
  EXPECT_EQ(*with_context.GetPayload("ecf8.Detail"), "payload");
  EXPECT_TRUE(AddContext(absl::OkStatus(), "unit").ok());
}

TEST(Strings, FormatBytes) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.00 KiB");
  EXPECT_EQ(FormatBytes(1536), "1.50 KiB");
  EXPECT_EQ(FormatBytes((1 << 20) - 1), "1.00 MiB");  // not "1024.00 KiB"
  EXPECT_EQ(FormatBytes(5'000'000'000), "4.66 GiB");
  EXPECT_EQ(FormatBytes(std::numeric_limits<uint64_t>::max()), "16.00 EiB");
}

TEST(Strings, ParseHex64) {
  EXPECT_EQ(ParseHex64("0123456789abcdef"), 0x0123456789abcdefu);
  EXPECT_EQ(ParseHex64("FFFFFFFFFFFFFFFF"), std::numeric_limits<uint64_t>::max());
  for (const char* bad :
       {"", "123456789abcdef", "00123456789abcdef", "0x23456789abcdef", "-123456789abcdef",
        "+123456789abcdef", " 123456789abcdef", "0123456789abcdeg", "0123456789abcd f"}) {
    EXPECT_EQ(ParseHex64(bad), std::nullopt) << bad;
  }
}

TEST(Strings, Utf8) {
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("größe.重み.🙂"));
  EXPECT_TRUE(IsValidUtf8("\xF4\x8F\xBF\xBF"));
  for (const char* bad :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF0\x80\x80\xAF",
        "\xF4\x90\x80\x80", "\xFF", "a\xC3", "\xE2\x82", "\xF0\x9F\x99", "\xE2\x28\xA1"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << Quoted(bad);
  }
}

TEST(Strings, QuotedKeepsLinesAndTerminalsWhole) {
  EXPECT_EQ(Quoted("model.layers.0"), "\"model.layers.0\"");
  EXPECT_EQ(Quoted("größe 🙂"), "\"größe 🙂\"");
  EXPECT_EQ(Quoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(Quoted("\x1b[31m\n\0"s), "\"\\x1b[31m\\x0a\\x00\"");
  EXPECT_EQ(Quoted("\xC2\x9B"), "\"\\xc2\\x9b\"");
  EXPECT_EQ(Quoted("a\xFFz"), "\"a\\xffz\"");
  EXPECT_EQ(Quoted("abcdef", 4), "\"abcd...\"");
  EXPECT_EQ(Quoted("abcd", 4), "\"abcd\"");
  EXPECT_EQ(Quoted("abc🙂", 5), "\"abc...\"");  // no half of a character
}

TEST(ParseByteSizeTest, TakesBytesAndUnits) {
  EXPECT_EQ(ParseByteSize("0"), 0u);
  EXPECT_EQ(ParseByteSize("4096"), 4096u);
  EXPECT_EQ(ParseByteSize("7B"), 7u);
  EXPECT_EQ(ParseByteSize("4GiB"), uint64_t{4} << 30);
  EXPECT_EQ(ParseByteSize("4 GB"), 4'000'000'000u);
  EXPECT_EQ(ParseByteSize("8388607TiB"), uint64_t{8388607} << 40);
}

TEST(ParseByteSizeTest, RefusesWhatIsNoSize) {
  for (const char* text : {"", "GiB", "-1", "1.5GiB", "1G", "1 ", "1gib", "1EiB", "8388608TiB",
                           "18446744073709551616", "1GiB "}) {
    EXPECT_EQ(ParseByteSize(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace ecf8
