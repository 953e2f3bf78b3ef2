#include "tools/ecf8/text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "loader/base/strings.h"

namespace ecf8 {
namespace {

// Columns that `text` takes: one for each character.
size_t Columns(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Formatted(const char* format, double value, const char* unit) {
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), format, value, unit);
  return buffer;
}

}  // namespace

std::string FormatSeconds(double seconds) {
  if (!(seconds < 1e9)) return "-";  // nor a NaN
  if (seconds < 0.9995) return Formatted("%.0f %s", seconds * 1000, "ms");
  if (seconds < 59.95) return Formatted("%.1f %s", seconds, "s");
  char buffer[64];
  const auto whole = std::llround(seconds);
  const auto minutes = whole / 60;
  if (minutes < 60) {
    std::snprintf(buffer, sizeof(buffer), "%lld min %02lld s", minutes, whole % 60);
  } else {
    std::snprintf(buffer, sizeof(buffer), "%lld h %02lld min", minutes / 60, minutes % 60);
  }
  return buffer;
}

std::string FormatRate(uint64_t bytes, double seconds) {
  if (seconds <= 0) return "-";
  constexpr const char* kUnits[] = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s"};
  double rate = static_cast<double>(bytes) / seconds;
  size_t unit = 0;
  while (rate >= 999.5 && unit + 1 < std::size(kUnits)) {  // what rounds to 1000 is the next unit's
    rate /= 1000;
    ++unit;
  }
  const char* format = unit == 0 || rate >= 99.95 ? "%.0f %s"
                       : rate < 9.995             ? "%.2f %s"
                                                  : "%.1f %s";
  return Formatted(format, rate, kUnits[unit]);
}

std::string Printable(std::string_view name) {
  const std::string quoted = Quoted(name, std::numeric_limits<size_t>::max());
  const bool plain = quoted.size() == name.size() + 2;
  return plain ? std::string(name) : quoted;
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows,
                        const std::vector<bool>& right_aligned) {
  std::vector<size_t> widths(right_aligned.size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  std::string table;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - Columns(row[i]), ' ');
      if (i > 0) line += "  ";
      line += right_aligned[i] ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    table += line + '\n';
  }
  return table;
}

}  // namespace ecf8
