#include "milter/steps.h"

namespace sluice::milter {

using mail::Stage;

Steps steps_of(const policy::Program& program) {
  Steps steps;
  steps.data = program.uses_stage(Stage::Data);
  steps.headers =
      program.needs_headers() || program.uses_stage(Stage::Headers) || program.needs_body();
  steps.body = program.needs_body();
  steps.unknown_commands = program.uses_stage(Stage::Command);
  for (const policy::Rule& rule :
       program.rules())  // a greylist that answers the null sender at DATA
    steps.data = steps.data || (rule.greylist && rule.greylist->at_data);
  return steps;
}

Steps steps_of(const engine::Session& session) {
  Steps steps = steps_of(session.program());
  steps.headers = steps.headers || session.wants_content();
  steps.body = steps.body || session.wants_content();
  return steps;
}

}  // namespace sluice::milter
