// Diagnostics about text files: where, what was found, what was expected; rendered as a compiler does:
//   broken.yaml:21:11: error E202: unknown fact `sender.domian`; did you mean `sender.domain`?
//           when: sender.domian in $local_domains
//                 ^~~~~~~~~~~~~
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

// The text of one file, kept as long as spans point into it. Immutable.
class SourceFile {
 public:
  SourceFile(std::string name, std::string text);
  const std::string& name() const { return name_; }
  const std::string& text() const { return text_; }
  // Line without its end; lines count from 1. Empty beyond the end.
  std::string_view line(std::uint32_t number) const;
  std::uint32_t line_count() const { return static_cast<std::uint32_t>(starts_.size()); }

 private:
  std::string name_;
  std::string text_;
  std::vector<std::size_t> starts_;
};
using SourceFilePtr = std::shared_ptr<const SourceFile>;

// line and column count from 1, columns in bytes. length 0 shows a single caret.
struct SourceSpan {
  SourceFilePtr file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint32_t length = 1;
};

enum class Severity { Error, Warning };

struct Diagnostic {
  Severity severity = Severity::Error;
  std::string code;     // "E202", "W501"
  std::string message;  // may be followed by the hint in the same sentence
  SourceSpan span;
};

// Sorted by file, line, column when rendered; at most kMaxDiagnostics are kept, all are counted.
class Diagnostics {
 public:
  static constexpr std::size_t kMaxDiagnostics = 1000;
  void error(std::string code, SourceSpan span, std::string message);
  void warning(std::string code, SourceSpan span, std::string message);
  void append(const Diagnostics& other);
  const std::vector<Diagnostic>& all() const { return list_; }
  std::size_t errors() const { return errors_; }
  std::size_t warnings() const { return warnings_; }
  bool ok() const { return errors_ == 0; }
  // Every diagnostic, three lines each. No summary line.
  std::string render() const;

 private:
  void add(Diagnostic diagnostic);
  std::vector<Diagnostic> list_;
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
};

// "file:line:column: error E202: ..." with source line (indentation replaced by eight blanks, controls by '?', cut around
// the span when very long) and carets. A span without file or line leaves these out.
std::string render(const Diagnostic& diagnostic);

// The candidate nearest to `word` by edit distance, or empty when none is near (at most a third of its letters
// inserted, deleted, changed or swapped). Case does not count; of several the first.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace sluice
