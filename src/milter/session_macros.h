// SessionMacros: the macros that an MTA has told in one session, by the stage they came with. A
// stage's macros are replaced by the next frame for it and end when an earlier stage comes again;
// the latest stage that has a name answers for it. Only names that Sluice reads are kept, each
// value up to 1,024 bytes: an idle session holds next to nothing.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "milter/macros.h"
#include "milter/milter_protocol.h"

namespace sluice::milter::wire {

// The stage of a command's macros; nullopt: it has none.
std::optional<MacroStage> macro_stage_of(char command);

class SessionMacros final : public MacroSource {
 public:
  // `list`: name NUL value NUL ...
  void take(MacroStage stage, std::string_view list);
  // Everything that came with `stage` or a later one.
  void forget_from(MacroStage stage);
  // What is read at the connect step alone and takes room for nothing behind it.
  void forget_client();
  const char* macro(const char* name) const override;
  std::size_t bytes() const { return kept_.size(); }
  std::size_t room() const { return kept_.capacity(); }  // for them

 private:
  // Records in stage order: stage, length of the name, length of the value (two bytes), then name
  // and value, each with a NUL behind it.
  std::string kept_;
};

}  // namespace sluice::milter::wire
