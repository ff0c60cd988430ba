#include "milter/agreement.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "milter/frame.h"
#include "milter/macros.h"

namespace sluice::milter::wire {
namespace {

constexpr std::uint32_t kWantedActions = action::kAddHeaders | action::kChangeBody |
                                         action::kAddRecipients | action::kRemoveRecipients |
                                         action::kChangeHeaders | action::kQuarantine |
                                         action::kChangeSender | action::kSetMacroLists;

std::uint32_t unneeded(const Steps& needed) {
  std::uint32_t declined = 0;
  if (!needed.data) declined |= step::kNoData;
  if (!needed.headers) declined |= step::kNoHeaders | step::kNoEndOfHeaders;
  if (!needed.body) declined |= step::kNoBody;
  if (!needed.unknown_commands) declined |= step::kNoUnknown;
  return declined;
}

// In the order of their numbers, as libmilter sends them.
constexpr std::array<const char*, kMacroStages> kMacroLists{
    MacroLists::kConnect, MacroLists::kHelo,         MacroLists::kMail,        MacroLists::kRcpt,
    MacroLists::kData,    MacroLists::kEndOfMessage, MacroLists::kEndOfHeaders};

}  // namespace

std::optional<Agreement> agree(const Offer& offer, const Steps& needed, std::uint32_t silent) {
  if (offer.version < kOldestVersion) return std::nullopt;
  Agreement agreement;
  agreement.version = std::min(offer.version, kVersion);
  agreement.actions = offer.actions & kWantedActions;
  agreement.steps = offer.steps & (unneeded(needed) | silent | step::kRejectedRcpts |
                                   step::kHeaderLeadingSpace);
  if ((offer.steps & step::kChunks1M) != 0) {
    agreement.steps |= step::kChunks1M;
    agreement.max_frame = kMaxFrame1M;
  } else if ((offer.steps & step::kChunks256K) != 0) {
    agreement.steps |= step::kChunks256K;
    agreement.max_frame = kMaxFrame256K;
  }
  return agreement;
}

void append_agreement(std::string& out, const Agreement& agreement) {
  std::string body;
  append_u32(body, agreement.version);
  append_u32(body, agreement.actions);
  append_u32(body, agreement.steps);
  for (std::uint32_t stage = 0; agreement.may(action::kSetMacroLists) && stage < kMacroStages;
       ++stage) {
    append_u32(body, stage);
    body.append(kMacroLists[stage]).push_back('\0');
  }
  append_frame(out, static_cast<char>(Command::Negotiate), body);
}

}  // namespace sluice::milter::wire
