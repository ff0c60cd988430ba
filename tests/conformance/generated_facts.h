// One state of the world for generated policies: every fact a value, none or unknown; and a
// FactSource that lets the facts of such a world arrive one by one.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "generated_policies.h"
#include "policy/program.h"
#include "policy/static_list.h"

namespace sluice::policy::conformance {

struct World {
  std::map<std::string, Value> facts;
  std::vector<std::map<std::string, Value>> recipients;
  std::uint64_t seed = 0;

  const Value& fact(const std::string& name, std::uint32_t recipient) const {
    const bool each = name.starts_with("rcpt.");
    return each ? recipients[recipient].at(name) : facts.at(name);
  }
  // What a dynamic list and seen() answer: anything, but always the same for the same values.
  Value answer(const std::string& about) const {
    const std::size_t hash = std::hash<std::string>()(about) ^ static_cast<std::size_t>(seed);
    if (hash % 7 == 0) return Unknown{UnknownReason::Store};
    return Value(hash % 2 == 0);
  }
  Value contains(const std::string& folded) const { return answer("banned " + folded); }
  Value seen(const std::vector<std::string>& values) const {
    std::string about = "seen";
    for (const std::string& value : values) about += "|" + value;
    return answer(about);
  }
};

class WorldGenerator {
 public:
  explicit WorldGenerator(Random& random) : random_(random) {}

  World make() {
    World world;
    world.seed = random_();
    for (const FactSignature& fact : small_vocabulary().all())
      if (fact.scope != mail::Scope::Recipient) world.facts[fact.name] = value(fact.type);
    world.facts["header"] = value(Type::of(Kind::Text, true));
    world.recipients.resize(below(random_, 4));
    for (auto& recipient : world.recipients)
      for (const FactSignature& fact : small_vocabulary().all())
        if (fact.scope == mail::Scope::Recipient) recipient[fact.name] = value(fact.type);
    return world;
  }

 private:
  Value value(const Type& type) {
    const std::size_t dice = below(random_, 12);
    if (dice == 0) return Unknown{UnknownReason::Timeout};
    if (dice == 1) return Unknown{UnknownReason::ServFail};
    if (type.optional && dice < 5) return None{};
    return certain(type);
  }
  Value certain(const Type& type) {
    switch (type.kind) {
      case Kind::Bool:
        return Value(below(random_, 2) == 0);
      case Kind::Int:
        return Value(static_cast<std::int64_t>(below(random_, 7)) - 2);
      case Kind::Float:
        return Value(static_cast<double>(below(random_, 9)) / 2 - 2);
      case Kind::Text:
        return Value(any_of(random_, kTexts));
      case Kind::Domain:
        return Value(any_of(random_, kDomains));
      case Kind::Address:
        return Value(any_of(random_, kAddresses));
      case Kind::Ip:
        return Value(*IpAddress::parse(any_of(random_, kAddressTexts)));
      case Kind::Cidr:
        return Value(*Network::parse(any_of(random_, kNetworkTexts)));
      case Kind::Duration:
        return Value(Duration(static_cast<std::int64_t>(below(random_, 4)) * 1'800'000));
      case Kind::Size:
        return Value(static_cast<std::int64_t>(below(random_, 4)) * 12'000'000);
      case Kind::Clock:
        return Value(ClockTime{static_cast<std::int32_t>(below(random_, 48) * 30)});
      case Kind::Datetime:
        return Value(TimePoint(Duration(
            1'767'225'600'000 + static_cast<std::int64_t>(below(random_, 24)) * 1'296'000'000)));
      case Kind::Enum:
        return Value(any_of(random_, type.words->words));
      case Kind::List:
        return list(type);
      default:
        return None{};
    }
  }
  Value list(const Type& type) {
    Values items(below(random_, 4));
    Type element = Type::of(type.element);
    element.record = type.record;
    for (Value& item : items) item = type.record ? record(*type.record) : certain(element);
    return Value::list(std::move(items));
  }
  Value record(const RecordShape& shape) {
    Values fields;
    for (const auto& field : shape.fields) fields.push_back(value(field.type));
    return Value::list(std::move(fields));
  }

  Random& random_;
};

// Facts of a world as they arrive. What was asked for and is not there yet stands in requested().
class ArrivingFacts final : public FactSource {
 public:
  ArrivingFacts(const World& world, const Program& program, bool all_there)
      : world_(world), program_(program), all_there_(all_there) {}

  const Value* fact(FactIndex index, std::uint32_t recipient) override {
    const std::string& name = program_.facts()[index].signature.name;
    return arrived(name + "#" + std::to_string(recipient),
                   [&] { return world_.fact(name, recipient); });
  }
  std::uint32_t recipient_count() override {
    return static_cast<std::uint32_t>(world_.recipients.size());
  }
  const Value* header(std::string_view) override {
    return arrived("header", [&] { return world_.facts.at("header"); });
  }
  const Value* contains(ListId, const Value& value) override {
    const std::string key = key_text(value, Kind::Text);
    return arrived("list " + key, [&] { return world_.contains(key); });
  }
  const Value* seen(std::uint32_t, std::span<const Value> values, Duration) override {
    std::vector<std::string> texts;
    std::string key = "seen";
    for (const Value& value : values) {
      texts.push_back(render_value(value));
      key += "|" + texts.back();
    }
    return arrived(key, [&] { return world_.seen(texts); });
  }
  std::string template_word(std::string_view word) override { return std::string(word); }

  const std::set<std::string>& requested() const { return requested_; }
  void deliver(const std::string& key) {
    there_.insert(key);
    requested_.erase(key);
  }
  void deliver_all() { all_there_ = true; }

 private:
  template <class Make>
  const Value* arrived(const std::string& key, Make make) {
    if (!all_there_ && !there_.contains(key)) {
      requested_.insert(key);
      return nullptr;
    }
    const auto [at, added] = values_.try_emplace(key);
    if (added) at->second = make();
    return &at->second;
  }

  const World& world_;
  const Program& program_;
  bool all_there_;
  std::set<std::string> there_, requested_;
  std::map<std::string, Value> values_;
};

}  // namespace sluice::policy::conformance
