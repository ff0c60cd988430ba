// rooms: policy
// Any bytes make a policy or a diagnostic with a place, and every byte of every scalar has a place
// in the file.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "policy/policy_source.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

void check_places(const Scalar& scalar) {
  const SourceFile& file = *scalar.begin.file;
  for (std::size_t i = 0; i <= scalar.text.size() && i < 1000; ++i) {
    const SourceSpan span = scalar.span(i, 1);
    if (span.line == 0 || span.column == 0 || span.line > file.line_count() + 1) std::abort();
  }
}

void check_places(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::Scalar) check_places(node.scalar);
  for (const YamlNode& item : node.items) check_places(item);
  for (const auto& [key, value] : node.entries) {
    check_places(key);
    check_places(value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto file = std::make_shared<const SourceFile>(
      "fuzz.yaml", std::string(reinterpret_cast<const char*>(bytes), size));
  Diagnostics diagnostics;
  check_places(parse_yaml(file, diagnostics));
  // Without includes and files of tests: they would read what lies on this machine.
  if (file->text().find("include") == std::string::npos &&
      file->text().find("tests") == std::string::npos)
    load_policy_text(file->name(), file->text(), diagnostics);
  if (diagnostics.render().empty() != diagnostics.all().empty()) std::abort();
  for (const Diagnostic& d : diagnostics.all())
    if (d.message.empty() || d.span.line == 0) std::abort();
  return 0;
}
