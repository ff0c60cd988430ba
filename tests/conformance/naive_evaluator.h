// The naive twin of the compiled program: walks the syntax tree with all facts at hand, as LANGUAGE
// says and as plainly as it can be said. Knows nothing of the compiler, of flat code, of sets or of
// pending facts.
#pragma once
#include <re2/re2.h>

#include <algorithm>

#include "base/text.h"
#include "generated_facts.h"
#include "mail/address.h"
#include "mail/domain.h"
#include "policy/policy_source.h"

namespace sluice::policy::conformance {

class NaiveEvaluator {
 public:
  NaiveEvaluator(const PolicySource& source, const World& world) : source_(source), world_(world) {}

  Value of(const Node& node) {
    switch (node.kind) {
      case Node::Kind::Literal:
        return node.value;
      case Node::Kind::Name:
        return name(node.text);
      case Node::Kind::Lookup:
        return lookup(node);
      case Node::Kind::Items:
        return items(node);
      case Node::Kind::Call:
        return call(node);
      case Node::Kind::Quantifier:
        return quantifier(node);
      case Node::Kind::And:
        return all_of(node, false);
      case Node::Kind::Or:
        return all_of(node, true);
      case Node::Kind::Not:
        return negated(of(node.children[0]), true);
      case Node::Kind::Is:
        return state(node);
      case Node::Kind::Else:
        return otherwise(node);
      case Node::Kind::In:
        return negated(membership(node), node.negated);
      case Node::Kind::InRange:
        return negated(range(node), node.negated);
      case Node::Kind::Under:
        return negated(under(node), node.negated);
      default:
        return comparison(node);
    }
  }

 private:
  static Value negated(Value v, bool negate) {
    if (v.is_unknown() || !negate) return v;
    return Value(!truth(v));
  }
  static bool truth(const Value& v) {
    const bool* b = v.get_if<bool>();
    return b && *b;
  }
  static Value unknown() { return Unknown{}; }

  // ---- what kind of text an expression is ----
  Kind kind(const Node& node) {
    switch (node.kind) {
      case Node::Kind::Literal:
        return node.literal_kind;
      case Node::Kind::Name: {
        if (const LetSource* let = find_let(node.text)) return kind(let->expression);
        const FactSignature* fact = small_vocabulary().find(node.text);
        if (node.text == "item") return item_kind_;
        return fact ? (fact->type.kind == Kind::List ? fact->type.element : fact->type.kind)
                    : Kind::Text;
      }
      case Node::Kind::Lookup:
        return node.text == "box_boxes" ? Kind::Address : Kind::Text;
      case Node::Kind::Call:
        return node.text == "strip_tag" || node.text == "known_or" ? kind(node.children[0])
                                                                   : Kind::Text;
      case Node::Kind::Else: {
        const Kind first = kind(node.children[0]);
        const bool same = std::all_of(
            node.children.begin(), node.children.end(),
            [&](const Node& n) { return n.kind == Node::Kind::Items || kind(n) == first; });
        return same ? first : Kind::Text;
      }
      default:
        return Kind::Text;
    }
  }
  static std::string domain_form(const std::string& text) {
    const auto ascii = mail::to_ascii_domain(text);
    return ascii ? *ascii : fold(text);
  }
  static std::string address_form(const std::string& text) {
    const auto address = mail::parse_mailbox(text, mail::Utf8::Allowed);
    if (address) return address->key();
    const std::size_t at = text.rfind('@');
    return at == std::string::npos
               ? fold(text)
               : fold(text.substr(0, at)) + "@" + domain_form(text.substr(at + 1));
  }
  static std::string form(const std::string& text, Kind a, Kind b) {
    if (a == Kind::Address || b == Kind::Address) return address_form(text);
    if (a == Kind::Domain || b == Kind::Domain) return domain_form(text);
    return fold(text);
  }
  static bool equal(const Value& a, Kind kind_a, const Value& b, Kind kind_b) {
    if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
    const auto* left = a.get_if<std::string>();
    const auto* right = b.get_if<std::string>();
    if (left && right) return form(*left, kind_a, kind_b) == form(*right, kind_a, kind_b);
    if (const auto* ip = a.get_if<IpAddress>(); ip && right) return IpAddress::parse(*right) == *ip;
    if (a.variant().index() == b.variant().index()) return a == b;
    return number(a) && number(b) && *number(a) == *number(b);
  }
  static std::optional<double> number(const Value& v) {
    if (const auto* i = v.get_if<std::int64_t>()) return static_cast<double>(*i);
    if (const auto* d = v.get_if<double>()) return *d;
    if (const auto* t = v.get_if<Duration>()) return static_cast<double>(t->count());
    if (const auto* t = v.get_if<TimePoint>())
      return static_cast<double>(t->time_since_epoch().count());
    if (const auto* t = v.get_if<ClockTime>()) return t->minutes;
    return std::nullopt;
  }

  // ---- names ----
  const LetSource* find_let(const std::string& name) const {
    for (const LetSource& let : source_.lets)
      if (let.name == name) return &let;
    return nullptr;
  }
  Value name(const std::string& text) {
    if (const LetSource* let = find_let(text)) return of(let->expression);
    if (text == "item") return item_;
    if (text.starts_with("file.")) return field(kOuter, file_, text.substr(5));
    if (text.starts_with("member.")) return field(kInner, member_, text.substr(7));
    if (!small_vocabulary().find(text)) return Value(text);  // a word of an enum
    return world_.fact(text, recipient_);
  }
  static Value field(const RecordShape& shape, const Value& record, const std::string& name) {
    for (std::size_t i = 0; i < shape.fields.size(); ++i)
      if (shape.fields[i].name == name) return (*record.get<ValuesPtr>())[i];
    return None{};
  }

  // ---- logic ----
  Value all_of(const Node& node, bool stop) {
    bool uncertain = false;
    for (const Node& child : node.children) {
      const Value v = of(child);
      if (v.is_unknown())
        uncertain = true;
      else if (truth(v) == stop)
        return Value(stop);
    }
    return uncertain ? unknown() : Value(!stop);
  }
  Value state(const Node& node) {
    const Value v = of(node.children[0]);
    if (node.text == "known") return Value(v.is_unknown() == node.negated);
    if (node.text == "unknown") return Value(v.is_unknown() != node.negated);
    if (v.is_unknown()) return unknown();
    return Value((v.is_none() == (node.text == "none")) != node.negated);
  }
  Value otherwise(const Node& node) {
    Value v;
    for (const Node& child : node.children) {
      v = of(child);
      if (!v.is_none()) return v;
    }
    return v;
  }

  // ---- comparisons ----
  Value comparison(const Node& node) {
    const Value left = of(node.children[0]);
    if (node.kind == Node::Kind::Matches) {
      if (left.is_unknown()) return unknown();
      const auto* text = left.get_if<std::string>();
      const bool found =
          text && re2::RE2::PartialMatch(*text, node.flags == "i" ? "(?i)" + node.text : node.text);
      return Value(found != node.negated);
    }
    const Value right = of(node.children[1]);
    if (left.is_unknown() || right.is_unknown()) return unknown();
    if (node.kind != Node::Kind::Compare) {
      const auto* a = left.get_if<std::string>();
      const auto* b = right.get_if<std::string>();
      if (!a || !b) return Value(false);
      const std::string text = fold(*a), part = fold(*b);
      if (node.kind == Node::Kind::Contains) return Value(text.find(part) != std::string::npos);
      if (text.size() < part.size()) return Value(false);
      return Value(text.substr(node.kind == Node::Kind::StartsWith ? 0 : text.size() - part.size(),
                               part.size()) == part);
    }
    if (node.op == Node::Op::Eq || node.op == Node::Op::Ne)
      return Value(equal(left, kind(node.children[0]), right, kind(node.children[1])) ==
                   (node.op == Node::Op::Eq));
    if (!number(left) || !number(right)) return Value(false);
    const double a = *number(left), b = *number(right);
    switch (node.op) {
      case Node::Op::Lt:
        return Value(a < b);
      case Node::Op::Le:
        return Value(a <= b);
      case Node::Op::Gt:
        return Value(a > b);
      default:
        return Value(a >= b);
    }
  }
  Value range(const Node& node) {
    const Value v = of(node.children[0]), from = of(node.children[1]), to = of(node.children[2]);
    if (v.is_unknown() || from.is_unknown() || to.is_unknown()) return unknown();
    if (!number(v) || !number(from) || !number(to)) return Value(false);
    const double at = *number(v), begin = *number(from), end = *number(to);
    const bool clock = v.get_if<ClockTime>(), exclusive = clock || v.get_if<TimePoint>();
    const bool before_end = exclusive ? at < end : at <= end;
    return Value(clock && begin > end ? at >= begin || before_end : at >= begin && before_end);
  }
  Value under(const Node& node) {
    const Value domain = of(node.children[0]);
    if (domain.is_unknown()) return unknown();
    std::vector<Value> parents;
    if (node.children[1].kind == Node::Kind::List) {
      for (const std::string& item : list_items(node.children[1].text)) parents.emplace_back(item);
    } else {
      const Value where = of(node.children[1]);
      if (where.is_unknown()) return unknown();
      if (const auto* list = where.get_if<ValuesPtr>())
        parents = **list;
      else
        parents.push_back(where);
    }
    if (!domain.is_set()) return Value(false);
    return Value(std::any_of(parents.begin(), parents.end(), [&](const Value& parent) {
      return parent.is_set() && mail::is_under(domain_form(domain.get<std::string>()),
                                               domain_form(parent.get<std::string>()));
    }));
  }

  // ---- lists and tables ----
  std::vector<std::string> list_items(const std::string& list) const {
    std::vector<std::string> texts;
    for (const ListSource& l : source_.lists)
      if (l.name == list)
        for (const YamlNode& item : l.items) texts.push_back(item.scalar.text);
    return texts;
  }
  static bool within(const Value& v, const std::string& network) {
    const auto net = Network::parse(network);
    if (const auto* ip = v.get_if<IpAddress>()) return net->contains(*ip);
    return net->contains(v.get<Network>());
  }
  static bool within(const Value& v, const Value& network) {
    if (const auto* text = network.get_if<std::string>()) return within(v, *text);
    return within(v, network.get<Network>().to_string());
  }
  static bool is_address(const Value& v) { return v.get_if<IpAddress>() || v.get_if<Network>(); }

  bool is_in_list(const std::string& list, const Value& v, Kind of_value) const {
    for (const std::string& item : list_items(list)) {
      if (list == "nets") {
        if (within(v, item)) return true;
      } else if (list == "numbers") {
        if (item == std::to_string(v.get<std::int64_t>())) return true;
      } else {
        const Kind of_list = list == "names"   ? Kind::Domain
                             : list == "boxes" ? Kind::Address
                                               : Kind::Text;
        if (equal(v, of_value, Value(item), of_list)) return true;
      }
    }
    return false;
  }
  Value membership(const Node& node) {
    const Node& where = node.children[1];
    if (where.kind == Node::Kind::List && where.text == "pairs") return pairs(node.children[0]);
    const Value v = of(node.children[0]);
    if (v.is_unknown()) return unknown();
    if (where.kind == Node::Kind::List) {
      if (v.is_none()) return Value(false);
      if (where.text == "banned") return world_.contains(fold(v.get<std::string>()));
      return Value(is_in_list(where.text, v, kind(node.children[0])));
    }
    if (where.kind == Node::Kind::Items) {
      bool uncertain = false;
      for (const Node& item : where.children) {
        const Value one = of(item);
        if (one.is_unknown())
          uncertain = true;
        else if (v.is_set() != one.is_set())
          continue;
        else if (v.is_none() || one_equals(v, kind(node.children[0]), one, kind(item)))
          return Value(true);
      }
      return uncertain ? unknown() : Value(false);
    }
    const Value list = of(where);
    if (list.is_unknown()) return unknown();
    if (v.is_none() || list.is_none()) return Value(false);  // a list holds no none
    if (list.get_if<Network>()) return Value(within(v, list));
    for (const Value& item : *list.get<ValuesPtr>())
      if (one_equals(v, kind(node.children[0]), item, kind(where))) return Value(true);
    return Value(false);
  }
  static bool one_equals(const Value& v, Kind kind_v, const Value& item, Kind kind_item) {
    return is_address(v) ? within(v, item) : equal(v, kind_v, item, kind_item);
  }
  Value pairs(const Node& node) {
    const Value ip = of(node.children[0]), domain = of(node.children[1]);
    if (ip.is_unknown() || domain.is_unknown()) return unknown();
    if (ip.is_none() || domain.is_none()) return Value(false);
    for (const ListSource& l : source_.lists)
      for (const YamlNode& item : l.items)
        if (l.name == "pairs" && within(ip, item.items[0].scalar.text) &&
            domain_form(item.items[1].scalar.text) == domain_form(domain.get<std::string>()))
          return Value(true);
    return Value(false);
  }
  Value items(const Node& node) {
    Values values;
    for (const Node& child : node.children) values.push_back(of(child));
    return Value::list(std::move(values));
  }
  Value lookup(const Node& node) {
    const Value key = of(node.children[0]);
    if (!key.is_set()) return key;
    Value found;
    int longest = -1;
    for (const TableSource& table : source_.tables) {
      if (table.name != node.text) continue;
      for (const auto& [entry_key, entry] : table.items) {
        if (table.name == "net_word") {
          const int length = Network::parse(entry_key.text)->mapped_length();
          if (!within(key, entry_key.text) || length <= longest) continue;
          longest = length;
          found = Value(entry.scalar.text);
        } else {
          const Kind of_key = table.name == "name_word"   ? Kind::Domain
                              : table.name == "box_boxes" ? Kind::Address
                                                          : Kind::Text;
          const Kind of_wanted = kind(node.children[0]);
          if (form(key.get<std::string>(), of_wanted, of_key) ==
              form(entry_key.text, of_wanted, of_key))
            found = entry_value(table.name, entry);
        }
      }
    }
    return found;
  }
  static Value entry_value(const std::string& table, const YamlNode& entry) {
    if (table == "word_number")
      return Value(static_cast<std::int64_t>(std::stoll(entry.scalar.text)));
    if (table != "box_boxes") return Value(entry.scalar.text);
    Values addresses;
    for (const YamlNode& item : entry.items) addresses.emplace_back(item.scalar.text);
    return Value::list(std::move(addresses));
  }

  // ---- calls ----
  Value call(const Node& node) {
    if (node.text == "header") return world_.facts.at("header");
    if (node.text == "seen") return seen(node.children[0]);
    const Value v = of(node.children[0]);
    if (node.text == "known_or") return v.is_set() ? v : of(node.children[1]);
    if (!v.is_set()) return v;
    if (node.text == "strip_tag") return Value(mail::strip_tag(v.get<std::string>(), "+"));
    if (node.text == "age") {
      const Value now = world_.facts.at("time.now");
      return now.is_set() ? Value(now.get<TimePoint>() - v.get<TimePoint>()) : now;
    }
    if (const auto* list = v.get_if<ValuesPtr>())
      return Value(static_cast<std::int64_t>((*list)->size()));
    std::int64_t characters = 0;
    for (const char c : v.get<std::string>()) characters += (c & 0xC0) != 0x80 ? 1 : 0;
    return Value(characters);
  }
  Value seen(const Node& what) {
    std::vector<std::string> texts;
    const auto take = [&](const Node& part) {
      const Value v = of(part);
      if (v.is_unknown()) return false;
      texts.push_back(render_value(v));
      return true;
    };
    bool known = true;
    if (what.kind != Node::Kind::Items)
      known = take(what);
    else
      for (const Node& part : what.children) known = take(part) && known;
    return known ? world_.seen(texts) : unknown();
  }

  // ---- quantifiers ----
  Value quantifier(const Node& node) {
    const std::string& collection = node.children[0].text;
    std::vector<Value> results;
    if (collection == "rcpts") {
      const std::uint32_t outside = recipient_;
      for (recipient_ = 0; recipient_ < world_.recipients.size(); ++recipient_)
        results.push_back(of(node.children[1]));
      recipient_ = outside;
    } else {
      const Value list = of(node.children[0]);
      if (list.is_unknown()) return unknown();
      Value& slot = collection == "files" ? file_ : collection == "file.members" ? member_ : item_;
      const Value outside = slot;
      const Kind outside_kind = item_kind_;
      if (&slot == &item_) item_kind_ = kind(node.children[0]);
      for (const Value& item : *list.get<ValuesPtr>()) {
        slot = item;
        results.push_back(of(node.children[1]));
      }
      slot = outside;
      item_kind_ = outside_kind;
    }
    const auto yes =
        std::count_if(results.begin(), results.end(), [](const Value& v) { return truth(v); });
    const bool uncertain =
        std::any_of(results.begin(), results.end(), [](const Value& v) { return v.is_unknown(); });
    const bool no = std::any_of(results.begin(), results.end(),
                                [](const Value& v) { return !v.is_unknown() && !truth(v); });
    if (node.text == "any") return yes > 0 ? Value(true) : uncertain ? unknown() : Value(false);
    if (node.text == "all") return no ? Value(false) : uncertain ? unknown() : Value(true);
    return uncertain ? unknown() : Value(static_cast<std::int64_t>(yes));
  }

  const PolicySource& source_;
  const World& world_;
  std::uint32_t recipient_ = FactSource::kNoElement;
  Value file_, member_, item_;
  Kind item_kind_ = Kind::Text;
};

}  // namespace sluice::policy::conformance
