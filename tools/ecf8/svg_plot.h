// Small plots as inline SVG: a frame with axes, and marks in data coordinates.
//
//   SvgPlot plot(640, 280, {0, 29}, {2.4, 2.9});
//   plot.XAxis("layer", 0); plot.YAxis("bits", 1);
//   plot.Line(points, "s0", "q_proj");
//   html += plot.Finish("entropy by depth");
//
// Colours and fonts are classes, which the page's style sheet defines: "axis", "grid", "label",
// "line", "bar", "dot", each with a series class ("s0", "s1", ...). `title`s are shown by browsers
// when the pointer rests on a mark. All texts are escaped here.
#ifndef ECF8_TOOLS_ECF8_SVG_PLOT_H_
#define ECF8_TOOLS_ECF8_SVG_PLOT_H_

#include <string>
#include <string_view>
#include <vector>

namespace ecf8 {

// `text` for HTML and XML, in elements and in quoted attributes.
std::string EscapeXml(std::string_view text);

struct PlotRange {
  double low = 0;
  double high = 1;
};

struct PlotPoint {
  double x = 0;
  double y = 0;
};

// The range from `low` to `high`, a little widened; not empty where they are equal.
PlotRange Padded(double low, double high);

class SvgPlot {
 public:
  // Of so many CSS pixels, which the browser scales down to the space there is.
  SvgPlot(int width, int height, PlotRange x, PlotRange y);

  // Ticks at round numbers, shown with so many decimals; vertical axes have grid lines.
  void XAxis(std::string_view label, int decimals);
  void YAxis(std::string_view label, int decimals);

  void Bar(double x_low, double x_high, double y, std::string_view classes, std::string_view title);
  void Line(const std::vector<PlotPoint>& points, std::string_view classes, std::string_view title);
  void Dot(PlotPoint point, std::string_view classes, std::string_view title);

  // The element; `name` is what screen readers say.
  std::string Finish(std::string_view name) const;

 private:
  double ScreenX(double x) const;
  double ScreenY(double y) const;

  int width_;
  int height_;
  PlotRange x_;
  PlotRange y_;
  std::string body_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_SVG_PLOT_H_
