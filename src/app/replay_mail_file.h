// Messages that were kept (.eml, mbox, maildir) as replay events: client, HELO, TLS and time from
// the Received line of the own MTA, the envelope from Return-Path, Delivered-To, X-Original-To and
// Envelope-To, else from From and To.
#pragma once
#include <string>
#include <string_view>

#include "app/replay_source.h"

namespace sluice::app {

inline constexpr std::size_t kMaxMailFile = 64u << 20;  // bytes of one message; the rest is cut off
inline constexpr std::size_t kMaxMailFiles = 5'000'000;  // of one folder

// `at`: when neither Received nor Date tells the time. False: it has no header field, so it is no
// message.
bool event_of_message(std::string_view text, TimePoint at, ReplayEvent& event);

Result<ReplaySourcePtr> open_mbox(const std::string& path);
// A maildir (cur, new and the folders .Name below it), a folder of .eml files, or one .eml file.
Result<ReplaySourcePtr> open_maildir(const std::string& path);
Result<ReplaySourcePtr> open_eml(const std::string& path);

}  // namespace sluice::app
