#include "mail/stage.h"

#include <catch2/catch.hpp>
#include <string>

#include "mail/verdict.h"

using namespace sluice::mail;

TEST_CASE("stage: names go there and back") {
  const std::string_view names[kStages] = {"connect", "command", "helo",    "mail",
                                           "rcpt",    "data",    "headers", "end"};
  for (std::size_t i = 0; i < kStages; ++i) {
    CHECK(stage_name(static_cast<Stage>(i)) == names[i]);
    CHECK(parse_stage(names[i]) == static_cast<Stage>(i));
  }
  for (const std::string_view name : {"", "Connect", "eom", "connect ", "rcpts"})
    CHECK_FALSE(parse_stage(name));
  for (const Scope scope : {Scope::Connection, Scope::Transaction, Scope::Recipient})
    CHECK(parse_scope(scope_name(scope)) == scope);
  CHECK(scope_name(Scope::Transaction) == "message");
  CHECK_FALSE(parse_scope("transaction"));
}

TEST_CASE("stage: what is learned stays known, but a command sees only the connection") {
  const Stage order[] = {Stage::Connect, Stage::Helo,    Stage::Mail, Stage::Rcpt,
                         Stage::Data,    Stage::Headers, Stage::End};
  for (std::size_t fact = 0; fact < 7; ++fact) {
    for (std::size_t rule = 0; rule < 7; ++rule) {
      INFO(stage_name(order[fact]) << " at " << stage_name(order[rule]));
      CHECK(is_known_at(order[fact], order[rule]) == (fact <= rule));
    }
    CHECK(is_known_at(order[fact], Stage::Command) == (order[fact] == Stage::Connect));
    CHECK_FALSE(is_known_at(Stage::Command, order[fact]));
  }
  CHECK(is_known_at(Stage::Command, Stage::Command));
}

TEST_CASE("verdict: actions have the names of the language") {
  CHECK(action_name(Action::Continue) == "continue");
  CHECK(action_name(Action::Reject) == "reject");
  CHECK(action_name(Action::Defer) == "defer");
  CHECK(action_name(Action::Disconnect) == "disconnect");
  CHECK(action_name(Action::Discard) == "discard");
  CHECK(action_name(Action::Quarantine) == "quarantine");
}
