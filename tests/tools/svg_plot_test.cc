#include "tools/ecf8/svg_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(EscapeXml, LeavesNothingThatMarkupWouldRead) {
  EXPECT_EQ(EscapeXml("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(EscapeXml("tab\tbell\x07 del\x7F"), "tab bell  del ");
  EXPECT_EQ(EscapeXml("\xCE\xB1"), "\xCE\xB1");
  EXPECT_THAT(EscapeXml("bad \xFF"), Not(HasSubstr("\xFF")));
}

TEST(Padded, IsNeverEmpty) {
  const PlotRange same = Padded(2, 2);
  EXPECT_LT(same.low, 2);
  EXPECT_GT(same.high, 2);
  const PlotRange wide = Padded(0, 10);
  EXPECT_LT(wide.low, 0);
  EXPECT_GT(wide.high, 10);
}

// The frame is 46, 10, 10 and 40 wide on the left, right, top and bottom.
TEST(SvgPlot, PutsDataWhereTheyBelong) {
  SvgPlot plot(156, 150, {0, 10}, {0, 100});
  plot.Dot({0, 0}, "s0", "");
  plot.Dot({10, 100}, "s0", "");
  plot.Line({{5, 50}, {10, 0}}, "s1", "");
  plot.Bar(2, 4, 25, "s2", "");
  const std::string svg = plot.Finish("a name");
  EXPECT_THAT(svg, HasSubstr("cx=\"46.0\" cy=\"110.0\""));
  EXPECT_THAT(svg, HasSubstr("cx=\"146.0\" cy=\"10.0\""));
  EXPECT_THAT(svg, HasSubstr("points=\"96.0,60.0 146.0,110.0 \""));
  EXPECT_THAT(svg, HasSubstr("x=\"66.0\" y=\"85.0\" width=\"20.0\" height=\"25.0\""));
  EXPECT_THAT(svg, HasSubstr("viewBox=\"0 0 156 150\""));
}

TEST(SvgPlot, TicksAreRoundNumbers) {
  SvgPlot plot(640, 280, {0, 29}, {2.43, 2.91});
  plot.XAxis("layer", 0);
  plot.YAxis("bits", 1);
  const std::string svg = plot.Finish("");
  for (const char* tick : {">0<", ">5<", ">25<", ">2.5<", ">2.9<", ">layer<", ">bits<"}) {
    EXPECT_THAT(svg, HasSubstr(tick));
  }
  EXPECT_THAT(svg, Not(HasSubstr(">30<")));
  EXPECT_THAT(svg, Not(HasSubstr(">2.4<")));
}

TEST(SvgPlot, EscapesEveryText) {
  SvgPlot plot(300, 200, {0, 1}, {0, 1});
  plot.XAxis("<x>", 0);
  plot.YAxis("<x>", 0);
  plot.Bar(0, 1, 1, "\"<x>", "<x>");
  plot.Line({{0, 0}}, "\"<x>", "<x>");
  plot.Dot({0, 0}, "\"<x>", "<x>");
  const std::string svg = plot.Finish("\"<x>");
  EXPECT_THAT(svg, Not(HasSubstr("<x>")));
  EXPECT_THAT(svg, Not(HasSubstr("\"\"")));
}

}  // namespace
}  // namespace ecf8
