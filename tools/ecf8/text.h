// Numbers, names and tables as people read them; sizes are FormatBytes of loader/base/strings.h.
#ifndef ECF8_TOOLS_ECF8_TEXT_H_
#define ECF8_TOOLS_ECF8_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ecf8 {

// "850 ms", "12.3 s", "4 min 05 s", "2 h 03 min".
std::string FormatSeconds(double seconds);

// "1.23 GB/s", decimal as rates are; "-" where no time has passed.
std::string FormatRate(uint64_t bytes, double seconds);

// `name` as it is, or Quoted where a character of it would drive the terminal: names come from
// files and from daemons.
std::string Printable(std::string_view name);

// Rows of cells in columns, two spaces apart; the first row is the heading. Columns in
// `right_aligned` (one entry a column) are aligned to the right.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows,
                        const std::vector<bool>& right_aligned);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_TEXT_H_
