// rooms: app
// Steps of policy tests and the messages given to them: any text gives a step or a diagnostic; a
// message keeps what it was given; what is delivered after changes has no more fields than went in
// and were added.
#include <cstdint>

#include "app/test_message.h"
#include "app/test_suite.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace sluice;
  using fuzz::require;
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  policy::Scalar scalar;
  scalar.text = text;
  Diagnostics diagnostics;
  const auto step = app::parse_step(scalar, diagnostics);
  require(step.has_value() == diagnostics.ok(), "a step or a diagnostic");
  if (step)
    require(step->repeat >= 1 && step->expected.code >= 0 && !step->command.empty(),
            "a step says what it does");

  const app::SentMessage message = app::parse_message(text);
  require(message.headers.size() <= size + 1, "a field for each line at most");
  std::vector<mail::Edit> edits;
  for (const mail::Header& header : message.headers) {
    if (edits.size() < 8) edits.push_back({mail::Edit::Kind::SetHeader, header.name, "x", 1});
  }
  require(app::delivered_headers(message.headers, edits).size() == message.headers.size(),
          "setting a field that is there adds none");
  return 0;
}
