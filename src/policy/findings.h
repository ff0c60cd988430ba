// Findings: the diagnostics of one compilation, each place and code once (a `let` is checked at
// every use).
#pragma once
#include <set>
#include <string>
#include <tuple>

#include "base/diagnostic.h"

namespace sluice::policy {

class Findings {
 public:
  explicit Findings(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}
  void error(std::string code, const SourceSpan& span, std::string message) {
    if (is_new(code, span)) diagnostics_.error(std::move(code), span, std::move(message));
  }
  void warning(std::string code, const SourceSpan& span, std::string message) {
    if (is_new(code, span)) diagnostics_.warning(std::move(code), span, std::move(message));
  }
  bool ok() const { return diagnostics_.ok(); }
  Diagnostics& all() { return diagnostics_; }

 private:
  bool is_new(const std::string& code, const SourceSpan& span) {
    return seen_.emplace(code, span.file.get(), span.line, span.column).second;
  }
  Diagnostics& diagnostics_;
  std::set<std::tuple<std::string, const SourceFile*, std::uint32_t, std::uint32_t>> seen_;
};

// "`x`; did you mean `y`?": the hint for an unknown name, or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace sluice::policy
