// rooms: policy
// An expression that parses has a normal form that parses to the same normal form.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "policy/ast.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

Scalar scalar_of(const std::string& text) {
  ScalarBuilder builder(std::make_shared<SourceFile>("fuzz", text));
  std::uint32_t column = 1;
  for (const char c : text) builder.add(c, 1, column++);
  return builder.finish(1, column);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  Diagnostics diagnostics;
  parse_expression_list(scalar_of(text), diagnostics);
  const auto node = parse_expression(scalar_of(text), diagnostics);
  if (!node) {
    if (diagnostics.ok() || diagnostics.render().empty()) std::abort();
    return 0;
  }
  const std::string normal = render_expression(*node);
  if (normal.size() > kMaxExpressionBytes) return 0;
  Diagnostics none;
  const auto again = parse_expression(scalar_of(normal), none);
  // Parentheses of the normal form may stand one level deeper than those written.
  if (!again && none.all()[0].message.find("nested deeper") == std::string::npos) std::abort();
  if (again && render_expression(*again) != normal) std::abort();
  return 0;
}
