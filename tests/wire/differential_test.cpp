// The same random sessions to the service on both engines, byte for byte. An illegal session is
// compared up to what no MTA sends: there the wire engine ends the connection (record 12 of the
// decisions), and libmilter may do what it likes.
#include <chrono>
#include <cstdlib>

#include "random_session.h"
#include "service_session.h"

using namespace sluice::wire_test;
using namespace sluice::peer;
using namespace std::chrono_literals;

namespace {

std::size_t number_from(const char* name, std::size_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoul(value, nullptr, 10);
}

// All that the filter says to a whole session sent at once, until it closes.
std::string replies(const Endpoint& endpoint, const std::string& bytes) {
  auto link = Link::open(endpoint);
  REQUIRE(link);
  (void)link->send(bytes, 90s);
  std::string all;
  while (true) {
    const auto more = link->receive(90s);
    if (!more && more.error().what.starts_with("no answer")) return all + "(stays open)";
    if (!more || more->empty()) return all;
    all += *more;
  }
}

std::string shown(const std::string& bytes) {
  FrameReader frames;
  frames.feed(bytes);
  std::string text;
  while (const auto frame = frames.next())
    text += std::string(1, frame->code) + "[" + std::string(frame->body) + "] ";
  return text;
}

Offer random_offer(RandomSessions& random) {
  Offer offer;
  if (random.below(4) == 0) offer.version = 2 + random.below(5);
  // libmilter takes an offer of none for that of a version 1.
  if (random.below(4) == 0) offer.actions = 1 + random.below(kAllActions);
  // Steps come with versions; an MTA offers all of its own.
  if (random.below(4) == 0) offer.steps = 0x7f;
  return offer;
}

}  // namespace

TEST_CASE("both engines say the same to any session, byte for byte") {
  const std::string no_id = "reply: {id: false}\n";
  SluiceFilter libmilter({kPlayedPolicy, no_id, false, "libmilter"});
  SluiceFilter wire({kPlayedPolicy, no_id, false, "wire"});
  RandomSessions random(static_cast<std::uint32_t>(number_from("SLUICE_MODEL_SEED", 20261125)));
  const std::size_t sessions = number_from("SLUICE_DIFFERENTIAL_SESSIONS", 1'000);
  for (std::size_t i = 0; i < sessions; ++i) {
    const Offer offer = random_offer(random);
    // The policy takes every step, so what is agreed is what is silent.
    const PlayedAgreement agreed{offer.steps & (kSilentHeader | kSilentBody), offer.actions};
    const PlayedSession script = random.next(agreed, random.below(5) == 0);
    std::string legal, quit;
    append_negotiate(legal, offer);
    const std::size_t honest = script.steps.size() - (script.is_broken ? 1 : 0);
    for (std::size_t s = 0; s < honest; ++s) legal += script.steps[s].bytes;
    append_bare(quit, Command::Quit);
    const std::string broken = script.is_broken ? script.steps.back().bytes : quit;
    const std::string from_libmilter = replies(libmilter->endpoint(), legal + quit);
    const std::string from_wire = replies(wire->endpoint(), legal + broken);
    INFO("session " << i << "\nlibmilter " << shown(from_libmilter) << "\nwire      "
                    << shown(from_wire));
    REQUIRE(from_wire == from_libmilter);
  }
}
