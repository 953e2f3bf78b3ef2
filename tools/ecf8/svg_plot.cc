#include "tools/ecf8/svg_plot.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>

#include "loader/base/strings.h"

namespace ecf8 {
namespace {

// Of the frame, for ticks and labels.
constexpr double kLeft = 46;
constexpr double kRight = 10;
constexpr double kTop = 10;
constexpr double kBottom = 40;

std::string Formatted(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Numbers and class names only: 256 bytes are enough.
std::string Formatted(const char* format, ...) {
  char buffer[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer, sizeof(buffer), format, arguments);
  va_end(arguments);
  return buffer;
}

// 1, 2 or 5 times a power of ten, so that the range has about `count` of it; not below `least`.
double TickStep(PlotRange range, double count, double least) {
  const double wanted = (range.high - range.low) / count;
  const double power = std::pow(10, std::floor(std::log10(wanted)));
  const double step = wanted <= power * 1.0001 ? power
                      : wanted <= 2 * power    ? 2 * power
                      : wanted <= 5 * power    ? 5 * power
                                               : 10 * power;
  return std::max(step, least);
}

std::string Titled(std::string_view title) {
  return title.empty() ? "" : "<title>" + EscapeXml(title) + "</title>";
}

}  // namespace

std::string EscapeXml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        // Control characters may not appear in XML at all.
        escaped += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
    }
  }
  return IsValidUtf8(escaped) ? escaped : EscapeXml(Quoted(text));
}

PlotRange Padded(double low, double high) {
  const double padding = high > low ? (high - low) * 0.06 : 0.05;
  return {low - padding, high + padding};
}

SvgPlot::SvgPlot(int width, int height, PlotRange x, PlotRange y)
    : width_(width), height_(height), x_(x), y_(y) {}

double SvgPlot::ScreenX(double x) const {
  return kLeft + (x - x_.low) / (x_.high - x_.low) * (width_ - kLeft - kRight);
}

double SvgPlot::ScreenY(double y) const {
  return height_ - kBottom - (y - y_.low) / (y_.high - y_.low) * (height_ - kTop - kBottom);
}

void SvgPlot::XAxis(std::string_view label, int decimals) {
  const double step = TickStep(x_, 8, std::pow(10, -decimals));
  const double bottom = height_ - kBottom;
  body_ +=
      Formatted("<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>", kLeft, bottom, width_ - kRight);
  for (double x = std::ceil(x_.low / step - 1e-9) * step; x <= x_.high + step * 1e-9; x += step) {
    body_ += Formatted("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.*f</text>", ScreenX(x),
                       bottom + 15, decimals, x + 0.0);
  }
  body_ += Formatted("<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                     (kLeft + width_ - kRight) / 2, bottom + 33.0) +
           EscapeXml(label) + "</text>";
}

void SvgPlot::YAxis(std::string_view label, int decimals) {
  const double step = TickStep(y_, 5, std::pow(10, -decimals));
  for (double y = std::ceil(y_.low / step - 1e-9) * step; y <= y_.high + step * 1e-9; y += step) {
    body_ += Formatted(
        "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>"
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.*f</text>",
        kLeft, ScreenY(y), width_ - kRight, kLeft - 6, ScreenY(y) + 4, decimals, y + 0.0);
  }
  const double middle = (kTop + height_ - kBottom) / 2;
  body_ += Formatted(
               "<text class=\"label\" x=\"11\" y=\"%.1f\" text-anchor=\"middle\" "
               "transform=\"rotate(-90 11 %.1f)\">",
               middle, middle) +
           EscapeXml(label) + "</text>";
}

void SvgPlot::Bar(double x_low, double x_high, double y, std::string_view classes,
                  std::string_view title) {
  const double top = ScreenY(y);
  body_ += "<rect class=\"bar " + EscapeXml(classes) +
           Formatted("\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">", ScreenX(x_low),
                     top, ScreenX(x_high) - ScreenX(x_low), ScreenY(y_.low) - top) +
           Titled(title) + "</rect>";
}

void SvgPlot::Line(const std::vector<PlotPoint>& points, std::string_view classes,
                   std::string_view title) {
  body_ += "<polyline class=\"line " + EscapeXml(classes) + "\" points=\"";
  for (const PlotPoint& point : points) {
    body_ += Formatted("%.1f,%.1f ", ScreenX(point.x), ScreenY(point.y));
  }
  body_ += "\">" + Titled(title) + "</polyline>";
}

void SvgPlot::Dot(PlotPoint point, std::string_view classes, std::string_view title) {
  body_ += "<circle class=\"dot " + EscapeXml(classes) +
           Formatted("\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\">", ScreenX(point.x), ScreenY(point.y)) +
           Titled(title) + "</circle>";
}

std::string SvgPlot::Finish(std::string_view name) const {
  return Formatted("<svg viewBox=\"0 0 %d %d\" style=\"max-width:%dpx\" role=\"img\" aria-label=\"",
                   width_, height_, width_) +
         EscapeXml(name) + "\">" + body_ + "</svg>";
}

}  // namespace ecf8
