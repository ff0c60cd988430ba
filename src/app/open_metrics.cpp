#include "app/open_metrics.h"

#include <fmt/format.h>

#include <cmath>

namespace sluice::app {
namespace {

constexpr const char* kTypes[] = {"gauge", "counter", "histogram", "info"};
constexpr const char* kSuffixes[] = {"", "_total", "", "_info"};

// Label values and help texts: backslash, line feed and quote are escaped (OpenMetrics 1.0, ABNF).
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  const bool is_whole = value == std::floor(value) && std::abs(value) < 1e15;
  return is_whole ? fmt::format("{}", static_cast<std::int64_t>(value))
                  : fmt::format("{:.9g}", value);
}

}  // namespace

void OpenMetrics::family(std::string_view name, Type type, std::string_view unit,
                         std::string_view help) {
  name_ = std::string(name);
  type_ = type;
  text_ += fmt::format("# TYPE {} {}\n", name, kTypes[static_cast<std::size_t>(type)]);
  if (!unit.empty()) text_ += fmt::format("# UNIT {} {}\n", name, unit);
  text_ += fmt::format("# HELP {} {}\n", name, escaped(help));
}

void OpenMetrics::line(std::string_view suffix, const Labels& labels, const std::string& value) {
  text_ += name_;
  text_ += suffix;
  if (!labels.empty()) {
    char before = '{';
    for (const auto& [label, content] : labels) {
      text_ += fmt::format("{}{}=\"{}\"", before, label, escaped(content));
      before = ',';
    }
    text_ += '}';
  }
  text_ += ' ' + value + '\n';
}

void OpenMetrics::sample(double value, const Labels& labels) {
  line(kSuffixes[static_cast<std::size_t>(type_)], labels, number(value));
}

void OpenMetrics::durations(const DurationCounts& counts, const Labels& labels) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < counts.in.size(); ++i) {
    sum += counts.in[i];
    Labels bucket = labels;
    const bool is_last = i == DurationCounts::kBounds.size();
    // OpenMetrics wants `le` as a float: "1.0".
    std::string bound = is_last ? "+Inf" : fmt::format("{:g}", DurationCounts::kBounds[i]);
    if (!is_last && bound.find_first_of(".e") == std::string::npos) bound += ".0";
    bucket.emplace_back("le", std::move(bound));
    line("_bucket", bucket, std::to_string(sum));
  }
  line("_count", labels, std::to_string(sum));
  line("_sum", labels, number(static_cast<double>(counts.sum_us) / 1e6));
}

std::string OpenMetrics::finish() {
  text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace sluice::app
