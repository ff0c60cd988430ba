// The hostile peer: whatever comes over one connection, the service lives, the others get the right
// answers in time, and nothing is left behind. SLUICE_ATTACK_FRAMES and SLUICE_ATTACK_SEED make the
// long form (scripts/prove-hostile-peer).
#include <cstdlib>
#include <future>

#include "attack.h"
#include "honest_crowd.h"
#include "malformed_case.h"
#include "service_session.h"

using namespace sluice::wire_test;
using namespace sluice::peer;
using namespace std::chrono_literals;

namespace {

// Takes every step, refuses what the honest crowd expects to be refused.
const ServiceSetup kEveryStep = {R"(
sluice: 1
policy: hostile
rules:
  - rule: command
    stage: command
    when: command.name == "REFUSED"
    then: reject 502 5.5.1
  - rule: refused
    stage: rcpt
    when: rcpt.localpart starts_with "refused"
    then: reject 550 5.7.1
    text: 'not {rcpt.address}'
  - rule: subject
    stage: headers
    when: subject.text contains "refused"
    then: reject 541
  - rule: text
    stage: end
    when: body.text contains "refused"
    then: reject 541
)",
                                 "reply: {id: false}\n"};
constexpr std::size_t kGrowthKib = 8192;  // that resident memory may grow under attack
const char* const kRefusal = "550 5.7.1 not ";

std::size_t number_from(const char* name, std::size_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoul(value, nullptr, 10);
}

void check_that_it_serves(RunningFilter& filter) {
  REQUIRE(filter.is_alive());
  MilterPeer peer = greeted(filter.endpoint());
  REQUIRE(passes(peer.mail({"<ann@far.example>"})));
  CHECK(said(peer.rcpt({"<refused@here.example>"})) == "550 5.7.1 not refused@here.example");
  CHECK(passes(peer.rcpt({"<bob@here.example>"})));
}

// All bytes of an honest session up to the dot.
std::string honest_bytes() {
  std::string out;
  append_negotiate(out, {});
  append_connect(out, {});
  append_texts(out, Command::Helo, {"mail.far.example"});
  append_macros(out, Command::Mail, {{"i", "4fRQ"}, {"{auth_authen}", "alice"}});
  append_texts(out, Command::Mail, {"<ann@far.example>", "SIZE=1200"});
  append_texts(out, Command::Rcpt, {"<bob@here.example>"});
  append_bare(out, Command::Data);
  append_texts(out, Command::Header, {"Subject", "minutes"});
  append_bare(out, Command::EndOfHeaders);
  append_body(out, "text\r\n");
  append_bare(out, Command::EndOfBody);
  return out;
}

}  // namespace

TEST_CASE("hostile peer: every malformed input is survived, and ends where libmilter ends it") {
  SluiceFilter filter(kEveryStep);
  const auto& cases = malformed_cases();
  constexpr std::size_t kAtOnce = 8;
  for (std::size_t begin = 0; begin < cases.size(); begin += kAtOnce) {
    std::vector<std::future<std::optional<std::string>>> seen;
    const std::size_t end = std::min(begin + kAtOnce, cases.size());
    for (std::size_t i = begin; i < end; ++i)
      seen.push_back(std::async(std::launch::async, [&, i] {
        // An end is waited for, however late it comes; silence has to be believed some time.
        const auto patience = cases[i].libmilter.ends_with("closed") ? 60s : 3s;
        return observe(filter->endpoint(), cases[i], patience);
      }));
    for (std::size_t i = begin; i < end; ++i) {
      INFO(cases[i].name);
      const auto outcome = seen[i - begin].get();
      REQUIRE(outcome);
      INFO("seen: " << *outcome << ", libmilter: " << cases[i].libmilter);
      if (cases[i].libmilter.ends_with("closed")) CHECK(outcome->ends_with("closed"));
    }
    check_that_it_serves(*filter);
  }
}

TEST_CASE("hostile peer: a NUL at any place of any frame is survived") {
  SluiceFilter filter(kEveryStep);
  const std::string whole = honest_bytes();
  for (std::size_t at = 0; at <= whole.size(); ++at) {
    auto link = Link::open(filter->endpoint());
    REQUIRE(link);
    std::string bytes = whole;
    bytes.insert(at, 1, '\0');
    (void)link->send(bytes, 1s);
  }
  check_that_it_serves(*filter);
}

TEST_CASE("hostile peer: a connection may end at any byte") {
  SluiceFilter filter(kEveryStep);
  check_that_it_serves(*filter);
  const std::size_t before = filter->descriptors();
  const std::string whole = honest_bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auto link = Link::open(filter->endpoint());
    REQUIRE(link);
    REQUIRE(link->send(std::string_view(whole).substr(0, size), 60s));
  }
  check_that_it_serves(*filter);
  CHECK(filter->settle_descriptors(before + 2, 90s) <= before + 2);
}

TEST_CASE("hostile peer: bytes that come one by one give the same answers") {
  SluiceFilter filter(kEveryStep);
  const auto answers = [&](std::size_t piece) {
    auto link = Link::open(filter->endpoint());
    REQUIRE(link);
    std::string whole = honest_bytes();
    append_bare(whole, Command::Quit);
    for (std::size_t at = 0; at < whole.size(); at += piece) {
      const auto sent = link->send(std::string_view(whole).substr(at, piece), 60s);
      INFO("at " << at << " of " << whole.size() << ": " << (sent ? "" : sent.error().what));
      REQUIRE(sent);
    }
    FrameReader frames;
    std::string seen;
    // Until it closes: which steps are silent is the service's business.
    for (auto bytes = link->receive(60s); bytes && !bytes->empty(); bytes = link->receive(60s)) {
      frames.feed(*bytes);
      while (const auto frame = frames.next()) seen += frame->code;
    }
    return seen;
  };
  const std::string at_once = answers(1u << 20);
  CHECK(at_once.front() == 'O');
  CHECK(at_once.size() >= 7);
  CHECK(answers(1) == at_once);
  CHECK(answers(7) == at_once);
}

TEST_CASE("hostile peer: a thousand connections that say nothing disturb nobody") {
  SluiceFilter filter(kEveryStep);
  check_that_it_serves(*filter);
  const std::size_t descriptors = filter->descriptors();
  const std::size_t rss = filter->rss_kib();
  std::vector<Link> idle;
  for (int i = 0; i < 1000; ++i) {
    auto link = Link::open(filter->endpoint());
    REQUIRE(link);
    idle.push_back(std::move(*link));
  }
  HonestCrowd crowd(filter->endpoint(), 10, kRefusal);
  CHECK(crowd.wait_for_answers(300, 90s));
  const CrowdResult seen = crowd.stop();
  INFO(seen.first_wrong);
  CHECK(seen.wrong == 0);
  if (is_memory_judged()) CHECK(filter->rss_kib() < rss + kGrowthKib);
  idle.clear();
  CHECK(filter->settle_descriptors(descriptors + 2, 90s) <= descriptors + 2);
  check_that_it_serves(*filter);
}

TEST_CASE("hostile peer: a message of any size is held only up to the caps") {
  SluiceFilter filter(
      {kEveryStep.policy, kEveryStep.more_config +
                              "resources: {body_bytes: 1MB, headers: 100, header_bytes: 64kB}\n"});
  const auto send_large = [&] {
    MilterPeer peer = greeted(filter->endpoint());
    REQUIRE(passes(peer.mail({"<ann@far.example>"})));
    REQUIRE(passes(peer.rcpt({"<bob@here.example>"})));
    REQUIRE(passes(peer.data()));
    const std::string value(1000, 'v');
    for (int i = 0; i < 20'000; ++i)
      REQUIRE(passes(peer.header("X-Filler-" + std::to_string(i % 1000), value)));
    REQUIRE(passes(peer.end_of_headers()));
    const std::string chunk(kMaxChunkBytes, 'x');
    for (int i = 0; i < 1000; ++i) REQUIRE(passes(peer.body(chunk)));
    CHECK(passes(peer.end_of_body()));
  };
  check_that_it_serves(*filter);
  const std::size_t rss = filter->rss_kib();
  send_large();
  // 20 MB of headers and 64 MB of body came.
  if (is_memory_judged()) CHECK(filter->rss_kib() < rss + kGrowthKib);
  check_that_it_serves(*filter);
}

TEST_CASE("hostile peer: a stream of broken sessions beside good ones", "[attack]") {
  const std::size_t good = number_from("SLUICE_ATTACK_GOOD", 20);
  const std::size_t frames = number_from("SLUICE_ATTACK_FRAMES", 50'000);
  const auto seed = static_cast<std::uint32_t>(number_from("SLUICE_ATTACK_SEED", 20261125));
  const auto rate = static_cast<double>(number_from("SLUICE_ATTACK_RATE", 0));
  SluiceFilter filter(kEveryStep);

  // What the first broken sessions allocate once is no growth.
  attack(filter->endpoint(), seed + 1, std::min<std::size_t>(frames / 2, 20'000));
  const std::size_t descriptors = filter->descriptors();
  // Nor is what thousands of refusals a second fill once: the history's queue and its file's cache.
  HonestCrowd quiet(filter->endpoint(), good, kRefusal);
  CHECK(quiet.wait_for_answers(std::clamp<std::size_t>(frames, 40'000, 400'000), 400s));
  CrowdResult before = quiet.stop();
  const std::size_t rss = filter->rss_kib();

  HonestCrowd crowd(filter->endpoint(), good, kRefusal);
  const auto begin = std::chrono::steady_clock::now();
  const AttackResult result = attack(filter->endpoint(), seed, frames, rate);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  CrowdResult during = crowd.stop();

  const std::size_t rss_after = filter->rss_kib();
  WARN("frames " << result.frames << " in " << result.sessions << " sessions, " << taken.count()
                 << " s; good answers " << during.answers << ", wrong " << during.wrong
                 << "; p99 quiet " << before.quantile_us(0.99) << " us, attacked "
                 << during.quantile_us(0.99) << " us; RSS " << rss << " -> " << rss_after
                 << " KiB; descriptors " << descriptors);
  REQUIRE(filter->is_alive());
  CHECK(result.frames >= frames);
  CHECK(result.refused == 0);
  INFO(during.first_wrong);
  CHECK(before.wrong == 0);
  CHECK(during.wrong == 0);
  CHECK(during.answers > 200);
  // The attack takes one of few cores: what is asked here is that nobody waits for a broken
  // session. The long form, alone on a machine, asks for what is promised.
  const auto times = static_cast<double>(number_from("SLUICE_ATTACK_TIMES", 0));
  const double most = times > 0 ? times * before.quantile_us(0.99)
                                : std::max(20 * before.quantile_us(0.99), 1'000'000.0);
  CHECK(during.quantile_us(0.99) <= most);
  if (is_memory_judged()) CHECK(rss_after < rss + kGrowthKib);
  CHECK(filter->settle_descriptors(descriptors + 2, 60s) <= descriptors + 2);
  check_that_it_serves(*filter);
}
