// service_session.h - short forms for tests that talk to the service as an MTA.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "milter_peer/milter_peer.h"
#include "running_filter.h"

namespace sluice::wire_test {

using peer::Answer;
using peer::AnswerCode;
using peer::ClientAddress;
using peer::MilterPeer;

// Negotiates; a failure fails the test.
inline MilterPeer attached(const peer::Endpoint& endpoint, const peer::Offer& offer = {}) {
  auto peer = MilterPeer::attach(endpoint, offer, std::chrono::seconds(90));
  if (!peer) FAIL(peer.error().what);
  return std::move(*peer);
}

// What an MTA would tell its client: "continue", "reject", the reply as on the wire, ...
inline std::string said(const Result<Answer>& answer) {
  if (!answer) return "error: " + answer.error().what;
  if (answer->kind == Answer::Kind::NotAsked) return "not asked";
  if (answer->kind == Answer::Kind::Closed) return "closed";
  switch (answer->code) {
    case AnswerCode::Continue:
      return "continue";
    case AnswerCode::Accept:
      return "accept";
    case AnswerCode::Discard:
      return "discard";
    case AnswerCode::ReplyCode:
      return answer->reply;
    default:
      return std::string("code ") + static_cast<char>(answer->code);
  }
}

inline bool passes(const Result<Answer>& answer) { return answer && answer->lets_pass(); }

// A session after HELO, both of which passed.
inline MilterPeer greeted(const peer::Endpoint& endpoint, const ClientAddress& client = {},
                          std::string_view helo = "mail.far.example") {
  MilterPeer peer = attached(endpoint);
  REQUIRE(passes(peer.connect(client)));
  REQUIRE(passes(peer.helo(helo)));
  return peer;
}

// From MAIL to the dot, all of which pass but perhaps the dot.
inline Result<Answer> deliver(MilterPeer& peer, std::string_view rcpt, std::string_view subject,
                              std::string_view body) {
  REQUIRE(passes(peer.mail({"<ann@far.example>"})));
  REQUIRE(passes(peer.rcpt({rcpt})));
  REQUIRE(passes(peer.data()));
  for (const auto& [name, value] :
       {std::pair<std::string_view, std::string_view>{"From", "Ann <ann@far.example>"},
        {"To", "bob@here.example"},
        {"Date", "Thu, 01 Oct 2026 10:00:00 +0200"},
        {"Message-ID", "<1@far.example>"},
        {"Subject", subject}})
    REQUIRE(passes(peer.header(name, value)));
  REQUIRE(passes(peer.end_of_headers()));
  REQUIRE(passes(peer.body(body)));
  return peer.end_of_body();
}

// A sanitizer keeps freed memory for a while: there the memory of the service is not judged, and the
// test says so.
inline bool is_memory_judged() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  WARN("skipped: what memory the service takes means nothing under a sanitizer");
  return false;
#else
  return true;
#endif
}

}  // namespace sluice::wire_test
