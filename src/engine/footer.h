// A footer below the text of a message.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mail/session_view.h"

namespace sluice::engine {

// The whole body with the footer as its last lines. Empty when the message must stay as it is: its
// body was not kept whole (resources.body_bytes), or it is no plain text that can be added to
// (multipart, HTML, base64, a footer that the charset of the text cannot say).
std::optional<std::string> body_with_footer(const mail::Message& message, std::string_view footer);

}  // namespace sluice::engine
