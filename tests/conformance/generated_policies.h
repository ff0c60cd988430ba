// Random policies over a small vocabulary that has every type: well typed by construction, so that
// every one must load.
#pragma once
#include <random>
#include <string>
#include <vector>

#include "policy/vocabulary.h"

namespace sluice::policy::conformance {

using Random = std::mt19937_64;

inline std::size_t below(Random& random, std::size_t limit) {
  return static_cast<std::size_t>(random() % limit);
}
template <class T>
const T& any_of(Random& random, const std::vector<T>& items) {
  return items[below(random, items.size())];
}

inline const EnumWords kColours{"colour", {"red", "green", "none"}};
inline const RecordShape kInner{
    "member", {{"name", Type::of(Kind::Text)}, {"ext", Type::of(Kind::Text, true)}}};
inline Type list_of_records(const RecordShape& shape) {
  Type type = Type::list_of(Kind::Record);
  type.record = &shape;
  return type;
}
inline const RecordShape kOuter{"file",
                                {{"name", Type::of(Kind::Text, true)},
                                 {"size", Type::of(Kind::Size)},
                                 {"locked", Type::of(Kind::Bool)},
                                 {"members", list_of_records(kInner)}}};
inline const RecordShape kEach{"rcpt", {}};

inline const Vocabulary& small_vocabulary() {
  static const Vocabulary vocabulary([] {
    std::vector<FactSignature> facts;
    const auto add = [&facts](const char* name, Type type,
                              mail::Scope scope = mail::Scope::Transaction) {
      FactSignature fact;
      fact.name = name;
      fact.type = type;
      fact.available_from = mail::Stage::Connect;
      fact.scope = scope;
      fact.cost = facts.size() % 3 == 0 ? "a look-up" : "";
      facts.push_back(fact);
    };
    for (const auto& [name, type] :
         std::vector<std::pair<const char*, const char*>>{{"t.maybe", "text?"},
                                                          {"t.sure", "text"},
                                                          {"i.maybe", "int?"},
                                                          {"i.sure", "int"},
                                                          {"f.sure", "float"},
                                                          {"s.maybe", "size?"},
                                                          {"s.sure", "size"},
                                                          {"d.maybe", "duration?"},
                                                          {"d.sure", "duration"},
                                                          {"b.one", "bool"},
                                                          {"b.two", "bool"},
                                                          {"ip.maybe", "ip?"},
                                                          {"ip.sure", "ip"},
                                                          {"net.sure", "cidr"},
                                                          {"n.maybe", "domain?"},
                                                          {"n.sure", "domain"},
                                                          {"a.maybe", "address?"},
                                                          {"a.sure", "address"},
                                                          {"c.sure", "clock"},
                                                          {"w.sure", "datetime"},
                                                          {"time.now", "datetime"},
                                                          {"l.texts", "list of text"},
                                                          {"l.names", "list of domain"},
                                                          {"l.nets", "list of cidr"}})
      add(name, *parse_type(type));
    Type colour = Type::of(Kind::Enum);
    colour.words = &kColours;
    add("e.sure", colour);
    add("files", list_of_records(kOuter));
    add("rcpts", list_of_records(kEach));
    add("rcpt.address", Type::of(Kind::Address), mail::Scope::Recipient);
    add("rcpt.vip", Type::of(Kind::Bool), mail::Scope::Recipient);
    return facts;
  }());
  return vocabulary;
}

inline const std::vector<std::string> kTexts{"foo",    "FOO",    "bar", "Example.COM",
                                             "ünïted", "ÜNÏTED", "x",   "ann@example.com"};
inline const std::vector<std::string> kDomains{"example.com", "a.example.com", "notexample.com",
                                               "xn--mnchen-3ya.example", "b.test"};
inline const std::vector<std::string> kAddresses{
    "ann@example.com", "Ann@example.com",     "bob+x@a.example.com",
    "eve@b.test",      "\"ann\"@example.com", "o'neil@xn--mnchen-3ya.example"};
inline const std::vector<std::string> kAddressTexts{"192.0.2.7", "192.0.2.200", "198.51.100.7",
                                                    "2001:db8::1", "2001:db8:1::2"};
inline const std::vector<std::string> kNetworkTexts{"192.0.2.0/24", "192.0.2.0/25", "2001:db8::/32",
                                                    "198.51.100.7"};

inline const std::string kDeclarations = R"(sluice: 1
policy: generated
lists:
  words:   {type: text, items: [foo, Bar, "Ünïted", "ann@example.com", "O'Neil@MÜNCHEN.example", "münchen.example"]}
  names:   {type: domain, items: [example.com, münchen.example]}
  nets:    {type: cidr, items: [192.0.2.0/24, "2001:db8::/33", 198.51.100.7]}
  boxes:   {type: address, items: [Ann@Example.com, bob@a.example.com]}
  numbers: {type: int, items: [1, 3, -2]}
  pairs:   {type: [cidr, domain], items: [[192.0.2.0/25, example.com], ["2001:db8::/32", b.test]]}
  banned:  {type: text, dynamic: true}
tables:
  word_number: {key: text, value: int, items: {foo: 1, BAR: 3, "o'neil@münchen.example": -2}}
  net_word:    {key: cidr, value: text, items: {192.0.2.0/24: foo, 192.0.2.0/25: bar, "2001:db8::/32": x}}
  name_word:   {key: domain, value: text, items: {example.com: Foo, münchen.example: ünïted}}
  box_boxes:   {key: address, value: list of address, items: {ann@example.com: [bob@a.example.com, EVE@b.test], eve@b.test: []}}
let:
  short_text: t.maybe ?? "bar"
  inside:     ip.sure in $nets or b.one
rules:
)";

// Expressions as texts. `optional` ones may be none.
class ExpressionGenerator {
 public:
  explicit ExpressionGenerator(Random& random) : random_(random) {}

  std::string condition(int depth) {
    if (depth <= 0) return leaf();
    switch (below(random_, 16)) {
      case 0:
      case 1:
      case 2:
        return joined(" and ", depth);
      case 3:
      case 4:
      case 5:
        return joined(" or ", depth);
      case 6:
        return "(not " + condition(depth - 1) + ")";
      case 7:
        return "(" + condition(depth - 1) + " is " + choose({"known", "unknown", "not known"}) +
               ")";
      case 8:
        return "(" + condition(depth - 1) + choose({" == ", " != "}) + condition(depth - 1) + ")";
      case 9:
        return quantifier(depth - 1);
      default:
        return leaf();
    }
  }

  // One by which its rule can be found without trying it.
  std::string findable() {
    const std::string of = choose({"t.sure", "t.maybe", "n.sure", "n.maybe", "a.sure", "a.maybe"});
    const auto& words = of[0] == 't' ? kTexts : of[0] == 'n' ? kDomains : kAddresses;
    const std::string word = quoted(any_of(random_, words));
    const std::string found = choose(
        {of + " == " + word, word + " == " + of, of + " in [" + word + ", " + word + "]",
         of + " starts_with " + quoted(choose({"fo", "F", "x", "a", "Ü"})), of + " ends_with \".com\"",
         of + " =~ /^" + choose({"f", "a", "x", "EX"}) + choose({"/i", "/"}),
         choose({"n.sure", "n.maybe"}) + " under " + quoted(any_of(random_, kDomains))});
    return below(random_, 2) == 0 ? found : "(" + found + " and " + condition(2) + ")";
  }

 private:
  std::string choose(const std::vector<std::string>& items) { return any_of(random_, items); }
  std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text)
      out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    return out + "\"";
  }
  std::string joined(const std::string& word, int depth) {
    std::string text = "(" + condition(depth - 1);
    for (std::size_t more = 1 + below(random_, 3); more > 0; --more)
      text += word + condition(depth - 1);
    return text + ")";
  }
  std::string equality() { return choose({" == ", " != "}); }
  std::string order() { return choose({" < ", " <= ", " > ", " >= "}); }
  std::string in() { return choose({" in ", " not in "}); }

  std::string text() {
    switch (below(random_, 10)) {
      case 0:
        return "t.maybe";
      case 1:
        return "short_text";
      case 2:
        return "header(\"X\")";
      case 3:
        return "$name_word[" + domain() + "]";
      case 4:
        return "$net_word[" + choose({"ip.sure", "ip.maybe", "net.sure"}) + "]";
      case 5:
        return "(t.maybe ?? " + quoted(any_of(random_, kTexts)) + ")";
      case 6:
        return "known_or(t.maybe, \"foo\")";
      case 7:
        return "(header(\"X\") ?? $net_word[ip.sure] ?? t.sure)";
      default:
        return "t.sure";
    }
  }
  std::string domain() { return choose({"n.maybe", "n.sure", "known_or(n.maybe, n.sure)"}); }
  std::string address() {
    return choose({"a.maybe", "a.sure", "strip_tag(a.sure)", "strip_tag(a.maybe)"});
  }
  std::string sure_int() {
    return choose({"i.sure", "(i.maybe ?? 2)", "len(t.sure)", "len(l.texts)",
                   "($word_number[t.sure] ?? -2)", "($word_number[a.sure] ?? 0)",
                   "count(rcpts, rcpt.vip)", "count(files, file.locked)", "known_or(i.sure, 3)"});
  }
  std::string clock() { return choose({"05:00", "12:30", "22:00", "c.sure"}); }

  std::string leaf() {
    switch (below(random_, 22)) {
      case 0:
        return choose({"b.one", "b.two", "inside"});
      case 1:
        return "(" + text() + equality() + choose({quoted(any_of(random_, kTexts)), text()}) + ")";
      case 2:
        return "(" + text() + equality() + choose({address(), domain()}) + ")";
      case 3:
        return "(" + domain() + equality() + choose({quoted(any_of(random_, kDomains)), domain()}) +
               ")";
      case 4:
        return "(" + address() + equality() +
               choose({"\"Ann@EXAMPLE.com\"", "\"eve@b.test\"", address()}) + ")";
      case 5:
        return "(" + sure_int() + choose({equality(), order()}) +
               choose({"0", "1", "3", "-2", "f.sure", sure_int()}) + ")";
      case 6:
        return "(" + choose({"s.sure", "(s.maybe ?? 0B)"}) + order() +
               choose({"1kB", "25MB", "s.sure"}) + ")";
      case 7:
        return "(" + choose({"d.sure", "(d.maybe ?? 5m)", "age(w.sure)"}) + order() +
               choose({"1m", "1h30m", "d.sure"}) + ")";
      case 8:
        return "(c.sure in " + clock() + " .. " + clock() + ")";
      case 9:
        return "(" + sure_int() + in() + choose({"1 .. 3", "-2 .. 0", "i.sure .. 5"}) + ")";
      case 10:
        return "(w.sure in 2026-01-01T00:00Z .. 2026-06-01T00:00Z)";
      case 11:
        return "(" + choose({"ip.sure", "ip.maybe", "net.sure"}) + in() +
               choose({"$nets", "l.nets", "[\"192.0.2.0/25\", \"2001:db8::1\"]", "net.sure"}) + ")";
      case 12:
        return "(" + text() + in() +
               choose({"$words", "$banned", "l.texts", "[\"FOO\", \"bar\", t.sure]", "$names"}) +
               ")";
      case 13:
        return "(" + domain() + in() +
               choose({"$names", "$words", "l.names",
                       "[\"example.com\", \"b.test\", \"a.test\", \"c.test\", \"d.test\", "
                       "\"e.test\"]"}) +
               ")";
      case 14:
        return "(" + address() + in() +
               choose({"$boxes", "$words", "($box_boxes[a.sure] ?? [])", "$box_boxes[a.maybe]"}) +
               ")";
      case 15:
        return "(" + sure_int() + in() + choose({"$numbers", "[1, 2, 3]"}) + ")";
      case 16:
        return "([" + choose({"ip.sure", "ip.maybe"}) + ", " + domain() + "] in $pairs)";
      case 17:
        return "(" + choose({text(), address(), domain()}) +
               choose({" contains ", " starts_with ", " ends_with "}) +
               choose({"\"EX\"", "\"foo\"", "\".com\"", text()}) + ")";
      case 18:
        return "(" + choose({domain(), "t.sure"}) + choose({" under ", " not under "}) +
               choose({"\"example.com\"", "$names", "l.names", domain()}) + ")";
      case 19:
        return "(" + choose({text(), address()}) + choose({" =~ ", " !~ "}) +
               choose({"/^f/i", "/o+$/", "/^[A-Z]/", "/@/"}) + ")";
      case 20:
        return "(" + choose({text(), domain(), address(), "i.maybe", "s.maybe", "ip.maybe"}) +
               " is " + choose({"set", "none", "not set", "known", "unknown"}) + ")";
      default:
        return choose({"(e.sure == red)", "(e.sure != none)", "(e.sure in [red, green])",
                       "seen(a.maybe, 30d)", "seen([t.sure, n.maybe], 1h)",
                       "(i.maybe is set and i.maybe > 1)", "(t.sure == \"foo\" and 1 == 2)",
                       "(e.sure == none)"});
    }
  }

  std::string quantifier(int depth) {
    const std::string word = choose({"any", "all"});
    switch (below(random_, 6)) {
      case 0:
        return word + "(files, " +
               choose({"file.locked", "file.size > 1kB", "file.name contains \"o\"",
                       "file.name is none"}) +
               " or " + leaf() + ")";
      case 1:
        return word +
               "(files, any(file.members, member.ext in [\"exe\", \"com\"] or member.name == "
               "file.name))";
      case 2:
        return word + "(rcpts, rcpt.vip or rcpt.address in $boxes)";
      case 3:
        return word + "(rcpts, seen([a.sure, rcpt.address], 1d) and " + condition(depth) + ")";
      case 4:
        return word + "(l.texts, item == t.sure or item =~ /^b/)";
      default:
        return word + "(l.names, item under \"example.com\")";
    }
  }

  Random& random_;
};

}  // namespace sluice::policy::conformance
