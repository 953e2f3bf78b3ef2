// Numbers, names and tables as people read them.
#ifndef ECF8_TOOLS_ECF8_TEXT_H_
#define ECF8_TOOLS_ECF8_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ecf8 {

// "512 B", "1.23 GB": decimal units, three digits.
std::string FormatBytes(uint64_t bytes);

// "850 ms", "12.3 s", "4 min 05 s", "2 h 03 min".
std::string FormatSeconds(double seconds);

// "1.23 GB/s"; "-" where no time has passed.
std::string FormatRate(uint64_t bytes, double seconds);

// `name` with control characters and bytes that are not UTF-8 escaped: names come from files and from
// daemons, and must not drive the terminal.
std::string Printable(std::string_view name);

// Rows of cells in columns, two spaces apart; the first row is the heading. Columns in
// `right_aligned` (one entry a column) are aligned to the right.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows,
                        const std::vector<bool>& right_aligned);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_TEXT_H_
