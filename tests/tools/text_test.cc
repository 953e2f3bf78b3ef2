#include "tools/ecf8/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace ecf8 {
namespace {

TEST(FormatSeconds, ReadsWellAtEveryScale) {
  EXPECT_EQ(FormatSeconds(0), "0 ms");
  EXPECT_EQ(FormatSeconds(0.85), "850 ms");
  EXPECT_EQ(FormatSeconds(0.9999), "1.0 s");
  EXPECT_EQ(FormatSeconds(12.34), "12.3 s");
  EXPECT_EQ(FormatSeconds(59.99), "1 min 00 s");
  EXPECT_EQ(FormatSeconds(245), "4 min 05 s");
  EXPECT_EQ(FormatSeconds(7380), "2 h 03 min");
  EXPECT_EQ(FormatSeconds(1e300), "-");
  EXPECT_EQ(FormatSeconds(std::numeric_limits<double>::quiet_NaN()), "-");
}

TEST(FormatRate, ReadsWellAtEveryScale) {
  EXPECT_EQ(FormatRate(5, 0), "-");
  EXPECT_EQ(FormatRate(0, 1), "0 B/s");
  EXPECT_EQ(FormatRate(999, 1), "999 B/s");
  EXPECT_EQ(FormatRate(1000, 1), "1.00 kB/s");
  EXPECT_EQ(FormatRate(12'345'678, 1), "12.3 MB/s");
  EXPECT_EQ(FormatRate(999'600'000, 1), "1.00 GB/s");
  EXPECT_EQ(FormatRate(5'000'000'000'000'000, 1), "5000 TB/s");
}

TEST(Printable, KeepsNamesAndQuotesWhatDrivesATerminal) {
  EXPECT_EQ(Printable("model.layers.0.weight"), "model.layers.0.weight");
  EXPECT_EQ(Printable(""), "");
  const std::string printed = Printable("a\x1b[31m\n");
  EXPECT_EQ(printed.front(), '"');
  EXPECT_EQ(printed.find('\x1b'), printed.npos);
  EXPECT_EQ(printed.find('\n'), printed.npos);
}

TEST(FormatTable, AlignsColumns) {
  EXPECT_EQ(FormatTable({{"NAME", "SIZE"}, {"a", "1"}, {"longer", "12345"}}, {false, true}),
            "NAME     SIZE\n"
            "a           1\n"
            "longer  12345\n");
  EXPECT_EQ(FormatTable({{"N", "X"}, {"\xE2\x82\xAC", ""}}, {false, false}),
            "N  X\n\xE2\x82\xAC\n");
}

}  // namespace
}  // namespace ecf8
