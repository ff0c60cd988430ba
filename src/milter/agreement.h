// Agreement: what one MTA and this filter settled at negotiation: the version, which actions may be
// sent, which steps come, which of them are never answered, how long a frame may be.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "milter/milter_protocol.h"
#include "milter/steps.h"
#include "milter/wire_requests.h"

namespace sluice::milter::wire {

struct Agreement {
  std::uint32_t version = 0, actions = 0, steps = 0;
  std::size_t max_frame = kMaxFrame;

  bool may(std::uint32_t action) const { return (actions & action) == action; }
  bool is_declined(std::uint32_t step) const { return (steps & step) != 0; }
  bool has_leading_space() const { return (steps & step::kHeaderLeadingSpace) != 0; }
};

// What is silent by default: headers and body chunks, which no rule answers.
inline constexpr std::uint32_t kSilentByDefault = step::kSilentHeader | step::kSilentBody;

// Takes of the offer what Sluice needs and nothing else; `silent`: the no-reply flags to ask for.
// nullopt: the MTA's version is too old.
std::optional<Agreement> agree(const Offer& offer, const Steps& needed,
                               std::uint32_t silent = kSilentByDefault);

// The answer to the negotiation, with the macro lists where the MTA takes them.
void append_agreement(std::string& out, const Agreement& agreement);

}  // namespace sluice::milter::wire
