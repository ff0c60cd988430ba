// Edits: the changes to a message that actions asked for, as the front end makes them at the dot.
#pragma once
#include <vector>

#include "engine/stage_event.h"
#include "mail/session_view.h"
#include "mail/verdict.h"

namespace sluice::engine {

// In the order in which the rules asked. Several subject prefixes add up, the last one stands in
// front.
std::vector<mail::Edit> edits_of(const std::vector<PreparedAction>& actions,
                                 const mail::Message& message,
                                 const std::vector<mail::Recipient>& accepted);

// Text for a header field: as it is in ASCII, else as an encoded word (RFC 2047).
std::string header_text(std::string_view text);

}  // namespace sluice::engine
