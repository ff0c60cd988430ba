#include "app/test_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "base/utf8.h"

namespace sluice::app {

namespace {

std::string escape_xml(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    const char c = text[i];
    if (point.length == 0 || (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t')) {
      out += '?';
      ++i;
      continue;
    }
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += text.substr(i, point.length);
    }
    i += point.length;
  }
  return out;
}

std::string trace_line(const engine::RuleTrace& rule) {
  std::string line = fmt::format("        {} {:<8} {}", rule.result, rule.kind, rule.rule);
  for (const auto& [name, value] : rule.values) line += fmt::format(" {}={}", name, value);
  if (!rule.note.empty()) line += " (" + rule.note + ")";
  return line;
}

std::string details(const TestOutcome& outcome) {
  if (!outcome.broken.empty()) return "    " + outcome.broken + "\n";
  std::string text;
  for (const StepFailure& failure : outcome.failures) {
    const std::string place = failure.place.empty() ? "" : failure.place + ": ";
    text += fmt::format("    {}{}: {}\n", place, failure.session, failure.command);
    text += fmt::format("      expected {}\n      got      {}\n", failure.expected, failure.got);
    for (const engine::RuleTrace& rule : failure.trace) text += trace_line(rule) + "\n";
  }
  return text;
}

}  // namespace

void print_test(const PlayedTest& test, std::ostream& out) {
  const bool skipped = test.outcome.passed() && !test.outcome.skipped.empty();
  out << (skipped ? "skip  " : test.outcome.passed() ? "ok    " : "FAIL  ") << test.suite << ": " << test.name
      << (skipped ? " (" + test.outcome.skipped + ")" : std::string()) << "\n"
      << details(test.outcome);
}

std::string junit_report(const std::vector<PlayedTest>& tests) {
  const auto failed = std::count_if(tests.begin(), tests.end(),
                                    [](const PlayedTest& t) { return !t.outcome.passed(); });
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  out += fmt::format("<testsuites><testsuite name=\"sluice\" tests=\"{}\" failures=\"{}\">\n",
                     tests.size(), failed);
  for (const PlayedTest& test : tests) {
    out += fmt::format("<testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\"",
                       escape_xml(test.suite), escape_xml(test.name), test.seconds);
    if (test.outcome.passed()) {
      out += "/>\n";
    } else {
      out += fmt::format("><failure message=\"failed\">{}</failure></testcase>\n",
                         escape_xml(details(test.outcome)));
    }
  }
  return out + "</testsuite></testsuites>\n";
}

void CoverageReport::add(const std::string& suite, const policy::Program& program,
                         const Coverage& seen) {
  for (const policy::Rule& rule : program.rules()) {
    if (rule.mode == policy::Mode::Disabled) continue;
    const auto found = seen.find(rule.name);
    lines_.push_back({suite, rule.name, found != seen.end() ? found->second : RuleCoverage(),
                      rule.condition != policy::kNoExpr});
  }
}

std::string CoverageReport::missing(const Line& line) {
  std::string text;
  if (line.seen.matched == 0) text += " matched";
  if (line.has_condition && line.seen.not_matched == 0) text += " not-matched";
  return text;
}

void CoverageReport::print(std::ostream& out) const {
  out << fmt::format("\n{:<40} {:>8} {:>8} {:>8} {:>8}  never seen\n", "rule", "matched", "not",
                     "unknown", "exempt");
  for (const Line& line : lines_) {
    out << fmt::format("{:<40} {:>8} {:>8} {:>8} {:>8} {}\n", line.rule, line.seen.matched,
                       line.seen.not_matched, line.seen.unknown, line.seen.exempted, missing(line));
  }
  out << fmt::format("coverage {} %\n", percent());
}

int CoverageReport::percent() const {
  std::size_t possible = 0, seen = 0;
  for (const Line& line : lines_) {
    possible += line.has_condition ? 2 : 1;
    seen += (line.seen.matched > 0 ? 1U : 0U) +
            (line.has_condition && line.seen.not_matched > 0 ? 1U : 0U);
  }
  return possible == 0 ? 100 : static_cast<int>(seen * 100 / possible);
}

}  // namespace sluice::app
