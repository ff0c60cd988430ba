// Templates: reply texts, header values, reasons and log lines with {facts} in them (LANGUAGE 9b).
// Private to policy/.
#pragma once
#include <optional>
#include <string_view>

#include "policy/emitter.h"
#include "policy/typecheck.h"

namespace sluice::policy {

inline constexpr std::size_t kMaxTemplateBytes = 8'192;
inline constexpr std::size_t kMaxTemplateValue = 128;  // characters of one value

class TemplateCompiler {
 public:
  // `kind` decides which words a template knows: limit.* in limits, greylist.wait in greylists.
  TemplateCompiler(Compilation& compilation, Emitter& emitter, Place place,
                   const Narrowing& narrowing, RuleKind kind)
      : c_(compilation), emitter_(emitter), place_(place), narrowing_(narrowing), kind_(kind) {
    place_.text = true;
  }

  // kNoTemplate after an error. `lines`: line breaks may stand in it (footers).
  TemplateId compile(const Scalar& text, bool lines = false);

 private:
  std::optional<TemplatePiece> placeholder(const Scalar& text, std::size_t from, std::size_t to);
  bool check_word(std::string_view word, const SourceSpan& span);
  bool check_characters(const Scalar& text, std::string_view content, bool lines);

  Compilation& c_;
  Emitter& emitter_;
  Place place_;
  const Narrowing& narrowing_;
  RuleKind kind_;
};

}  // namespace sluice::policy
