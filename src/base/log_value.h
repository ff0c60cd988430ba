// One value of a log line, put behind what a line has already; log_value() (base/text.h) says how it
// is written.
#pragma once
#include <string>
#include <string_view>

namespace sluice {

void append_log_value(std::string& line, std::string_view text);

}  // namespace sluice
