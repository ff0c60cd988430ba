// The peer against the real libmilter: the reference for what an MTA may expect of a filter.
#include <catch2/catch.hpp>

#include "milter_peer/milter_peer.h"
#include "running_filter.h"

using namespace sluice::peer;
using namespace sluice::wire_test;

namespace {

void require_continue(const sluice::Result<Answer>& answer) {
  REQUIRE(answer);
  CHECK(answer->is(AnswerCode::Continue));
}

void require_not_asked(const sluice::Result<Answer>& answer) {
  REQUIRE(answer);
  CHECK(answer->kind == Answer::Kind::NotAsked);
}

}  // namespace

TEST_CASE("libmilter: a filter that takes everything is asked at every step") {
  EmptyFilter filter("all");
  auto peer = MilterPeer::attach(filter->endpoint());
  REQUIRE(peer);
  CHECK(peer->negotiation().version == kProtocolVersion);
  require_continue(peer->connect());
  require_continue(peer->helo("mail.far.example"));
  require_continue(peer->unknown("FROB"));
  for (int message = 0; message < 3; ++message) {
    require_continue(peer->mail({"<ann@far.example>", "SIZE=1200"}));
    require_continue(peer->rcpt({"<bob@here.example>"}));
    require_continue(peer->data());
    require_continue(peer->header("Subject", "minutes"));
    require_continue(peer->end_of_headers());
    require_continue(peer->body(std::string(kMaxChunkBytes, 'x')));
    require_continue(peer->end_of_body());
    REQUIRE(peer->abort());
  }
  CHECK(peer->quit());
}

TEST_CASE("libmilter: steps without a callback are declined and not sent") {
  EmptyFilter filter("few");
  auto peer = MilterPeer::attach(filter->endpoint());
  REQUIRE(peer);
  require_continue(peer->connect());
  require_continue(peer->helo("mail.far.example"));
  require_not_asked(peer->unknown("FROB"));
  require_continue(peer->mail({"<>"}));
  require_continue(peer->rcpt({"<bob@here.example>"}));
  require_not_asked(peer->data());
  require_not_asked(peer->header("Subject", "minutes"));
  require_not_asked(peer->end_of_headers());
  require_not_asked(peer->body("text"));
  require_continue(peer->end_of_body());
}

TEST_CASE("libmilter: an MTA of version 2 with few steps is served, whatever its client") {
  EmptyFilter filter("all");
  for (const ClientAddress& client : {ClientAddress{"client.example", '6', 25, "2001:db8::7"},
                                      ClientAddress{"localhost", 'U', 0, ""},
                                      ClientAddress{"localhost", 'L', 0, "/run/submit.sock"}}) {
    auto peer = MilterPeer::attach(filter->endpoint(), {2, 0x3f, 0x7f});
    REQUIRE(peer);
    require_continue(peer->connect(client));
    require_continue(peer->helo("mail.far.example"));
  }
}
