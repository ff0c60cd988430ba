#include "policy/bundle_loader.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "policy/rule_reader.h"

namespace sluice::policy {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 15> kFileKeys{
    "sluice", "policy", "version", "timezone",   "include", "position", "defaults", "lists",
    "tables", "dnsbl",  "facts",   "recipients", "let",     "rules",    "change"};
constexpr std::array<std::string_view, 1> kTestsKey{"tests"};
constexpr std::array<std::string_view, 2> kPositions{"before", "after"};
constexpr std::array<std::string_view, 4> kChangeKeys{"rule", "set", "remove", "mode"};

bool is_inert(std::string_view key) { return key.starts_with("x-"); }

// Only sluice:, policy: and tests: : the tests of another file.
bool holds_tests_only(const YamlNode& root) {
  return root.find("tests") &&
         std::all_of(root.entries.begin(), root.entries.end(), [](const YamlEntry& e) {
           return e.first.text == "sluice" || e.first.text == "policy" || e.first.text == "tests" ||
                  is_inert(e.first.text);
         });
}

const Scalar* scalar_of(const YamlNode& map, std::string_view key) {
  const YamlNode* node = map.find(key);
  return node && node->kind == YamlNode::Kind::Scalar ? &node->scalar : nullptr;
}

std::string beside(const SourceFilePtr& file, const std::string& path) {
  return (fs::path(file->name()).parent_path() / path).lexically_normal().string();
}

std::string identity(const std::string& path) {
  std::error_code failed;
  const fs::path canonical = fs::weakly_canonical(path, failed);
  return failed ? path : canonical.string();
}

std::string place_of(const SourceSpan& span) {
  return span.file->name() + ':' + std::to_string(span.line);
}

// Behind what is there; nothing is moved one by one when nothing is there.
void append(std::vector<RuleSource>& to, std::vector<RuleSource> from) {
  if (to.empty())
    to = std::move(from);
  else
    std::move(from.begin(), from.end(), std::back_inserter(to));
}

std::string counted(std::size_t n, std::string_view what) {
  return std::to_string(n) + ' ' + std::string(what) + (n == 1 ? "" : "s");
}

}  // namespace

void BundleLoader::add_path(const std::string& path) {
  std::error_code failed;
  if (fs::is_directory(path, failed)) {
    add_folder(path);
    return;
  }
  const auto file = read_source(path);
  if (file)
    add_file(*file);
  else
    diagnostics_.error("E703", {}, file.error().what);
}

void BundleLoader::add_folder(const std::string& path) {
  std::vector<std::string> files;
  std::error_code failed;
  for (fs::directory_iterator it(path, failed), end; !failed && it != end; it.increment(failed)) {
    const std::string name = it->path().filename().string();
    if (name.ends_with(".yaml") && name[0] != '.') files.push_back(it->path().string());
  }
  if (failed)
    diagnostics_.error("E703", {}, "cannot read " + path + ": " + failed.message());
  else if (files.empty())
    diagnostics_.error("E703", {}, "no *.yaml in " + path);
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) add_path(file);
}

// Empty when the file is torn: the rest would only say what follows from that.
std::optional<BundleLoader::Document> BundleLoader::parse(const SourceFilePtr& file) {
  Diagnostics found;
  Document document{file, parse_yaml(file, found)};
  diagnostics_.append(found);
  const auto& all = found.all();
  if (std::any_of(all.begin(), all.end(), [](const Diagnostic& d) { return d.code == "E101"; }))
    return std::nullopt;
  if (document.root.kind == YamlNode::Kind::Map) return document;
  reader_.wrong({file, 1, 1, 1}, "a policy file begins with `sluice: 1`");
  return std::nullopt;
}

void BundleLoader::add_file(const SourceFilePtr& file) {
  auto document = parse(file);
  if (!document) return;
  if (holds_tests_only(document->root))
    tests_.push_back(std::move(*document));
  else
    load_main(std::move(*document));
}

PolicySource BundleLoader::finish() {
  for (Document& document : std::exchange(tests_, {})) load_tests(document);
  check_rule_names();
  return std::move(source_);
}

void BundleLoader::load_main(Document document) {
  const std::string self = identity(document.source->name());
  if (std::find(included_.begin(), included_.end(), self) != included_.end()) return;
  included_.push_back(self);
  including_.push_back(self);
  Rules rules = load_document(document, "");
  including_.pop_back();
  append(source_.rules, std::move(rules));
  for (YamlEntry& entry : document.root.entries)
    if (entry.first.text == "tests" && reader_.sequence(entry))
      source_.tests.emplace_back(document.source, std::move(entry.second));
}

bool BundleLoader::names_loaded_file(const std::string& policy) const {
  return std::any_of(source_.files.begin(), source_.files.end(), [&policy](const FileSource& file) {
    const fs::path path(file.source->name());
    return file.prefix.empty() &&
           (file.policy == policy || path.filename() == policy || path.stem() == policy);
  });
}

// `policy:` of a file of tests names the policy file beside it, by bundle or file.
void BundleLoader::load_tests(Document& document) {
  check_version(document.root, {document.source, 1, 1, 1});
  const Scalar* policy = scalar_of(document.root, "policy");
  if (!policy) {
    reader_.missing_key({document.source, 1, 1, 1}, "policy", "a file of tests",
                        ", the name of the policy file beside it");
    return;
  }
  if (!names_loaded_file(policy->text)) {
    std::error_code failed;
    std::string path = beside(document.source, policy->text);
    if (!fs::is_regular_file(path, failed)) path += ".yaml";
    if (!fs::is_regular_file(path, failed) || identity(path) == identity(document.source->name())) {
      diagnostics_.error(
          "E703", policy->whole(),
          "no policy file " + quoted_name(policy->text) + " beside this file of tests");
      return;
    }
    add_path(path);
  }
  for (YamlEntry& entry : document.root.entries)
    if (entry.first.text == "tests" && reader_.sequence(entry))
      source_.tests.emplace_back(document.source, std::move(entry.second));
}

void BundleLoader::check_version(const YamlNode& root, const SourceSpan& place) {
  const YamlNode* version = root.find("sluice");
  if (!version) {
    reader_.missing_key(place, "sluice", "a policy file",
                        ", the version of the language: `sluice: 1`");
  } else if (version->kind != YamlNode::Kind::Scalar || version->scalar.text != "1") {
    reader_.wrong(version->span, "this is no version of the language; known is `sluice: 1`");
  }
}

BundleLoader::Rules BundleLoader::load_document(Document& document, const std::string& prefix) {
  const SourceSpan top{document.source, 1, 1, 1};
  check_version(document.root, top);
  const std::size_t index = source_.files.size();
  FileSource& file = source_.files.emplace_back();
  file.source = document.source;
  file.prefix = prefix;
  if (!document.root.find("policy"))
    reader_.missing_key(top, "policy", "a policy file", ", the name of its bundle");
  SectionReader sections(source_, index, diagnostics_);
  Pending pending;
  Rules own;
  for (YamlEntry& entry : document.root.entries) read_section(entry, sections, pending, own, index);
  for (RuleSource& rule : own) rule.name = prefix + rule.name;
  Rules rules = pending.include ? include_all(*pending.include, document.source) : Rules();
  Rules& first = pending.own_rules_last ? rules : own;
  Rules& second = pending.own_rules_last ? own : rules;
  append(first, std::move(second));
  for (SectionReader::Extension& extension : sections.extensions())
    apply_extension(extension, index);
  if (pending.change) apply_changes(*pending.change, first, index);
  return std::move(first);
}

void BundleLoader::read_section(YamlEntry& entry, SectionReader& sections, Pending& pending,
                                Rules& rules, std::size_t file) {
  static const std::map<std::string_view, void (SectionReader::*)(YamlEntry&)> kOwned{
      {"lists", &SectionReader::lists}, {"tables", &SectionReader::tables}};
  static const std::map<std::string_view, void (SectionReader::*)(const YamlEntry&)> kRead{
      {"defaults", &SectionReader::defaults},     {"dnsbl", &SectionReader::dnsbl},
      {"facts", &SectionReader::facts},           {"let", &SectionReader::let},
      {"recipients", &SectionReader::recipients}, {"timezone", &SectionReader::timezone}};
  const std::string& key = entry.first.text;
  if (key == "policy" || key == "version") source_.files[file].origin[key] = entry.first.whole();
  if (const auto owned = kOwned.find(key); owned != kOwned.end()) {
    (sections.*owned->second)(entry);
  } else if (const auto read = kRead.find(key); read != kRead.end()) {
    (sections.*read->second)(entry);
  } else if (key == "policy") {
    const Scalar* scalar = reader_.text(entry);
    if (scalar) source_.files[file].policy = reader_.name(*scalar, "a policy").value_or("");
  } else if (key == "version") {
    if (const Scalar* scalar = reader_.text(entry)) source_.files[file].version = scalar->text;
  } else if (key == "position") {
    if (const auto word = reader_.word(entry, kPositions)) pending.own_rules_last = *word == 1;
  } else if (key == "include") {
    pending.include = &entry;
  } else if (key == "change") {
    pending.change = &entry;
  } else if (key == "rules") {
    read_rules(entry, rules, file);
  } else if (key != "sluice" && key != kTestsKey[0] && !is_inert(key)) {
    std::vector<std::string_view> keys(kFileKeys.begin(), kFileKeys.end());
    keys.push_back(kTestsKey[0]);
    reader_.unknown_key(entry.first, keys, "a policy file");
  }
}

void BundleLoader::read_rules(YamlEntry& entry, Rules& rules, std::size_t file) {
  if (!reader_.sequence(entry)) return;
  rules.reserve(entry.second.items.size());
  for (YamlNode& node : entry.second.items) {
    if (source_.rules.size() + rules.size() >= kMaxRules) {
      reader_.wrong(node.span, "more than " + std::to_string(kMaxRules) + " rules");
      return;
    }
    if (auto rule = read_rule(node, file, diagnostics_)) rules.push_back(std::move(*rule));
    node = YamlNode();  // its memory serves the next rules
  }
}

BundleLoader::Rules BundleLoader::include_all(const YamlEntry& entry, const SourceFilePtr& from) {
  Rules rules;
  for (const YamlNode* node : reader_.texts(entry)) {
    append(rules, include_one(node->scalar, from));
  }
  return rules;
}

BundleLoader::Rules BundleLoader::include_one(const Scalar& path, const SourceFilePtr& from) {
  const std::string found = beside(from, path.text), self = identity(found);
  const auto begun = std::find(including_.begin(), including_.end(), self);
  if (begun != including_.end()) {
    std::string chain;
    for (auto step = begun; step != including_.end(); ++step)
      chain += fs::path(*step).filename().string() + " -> ";
    diagnostics_.error("E702", path.whole(),
                       "files include each other: " + chain + fs::path(self).filename().string());
    return {};
  }
  if (including_.size() >= kMaxIncludeDepth) {
    diagnostics_.error("E702", path.whole(),
                       "included deeper than " + std::to_string(kMaxIncludeDepth) + " files");
    return {};
  }
  if (std::find(included_.begin(), included_.end(), self) != included_.end()) return {};
  included_.push_back(self);
  const auto file = read_source(found);
  if (!file) {
    diagnostics_.error("E703", path.whole(), file.error().what);
    return {};
  }
  auto document = parse(*file);
  if (!document) return {};
  including_.push_back(self);
  Rules rules = load_document(*document, bundle_prefix(document->root));
  including_.pop_back();
  return rules;
}

// Names of an included bundle begin with its own: two bundles of one name could not be told apart.
std::string BundleLoader::bundle_prefix(const YamlNode& root) {
  const Scalar* policy = scalar_of(root, "policy");
  if (!policy) return "?/";
  const std::string prefix = policy->text + '/';
  const auto [first, is_new] = prefixes_.emplace(prefix, policy->whole());
  if (!is_new)
    diagnostics_.error("E104", policy->whole(),
                       "an included policy is named " + quoted_name(policy->text) + " in " +
                           place_of(first->second) + " already");
  return prefix;
}

// The included list or table (of the kind of `all`) that an extension names; nullptr after E701.
template <class Section>
Section* BundleLoader::find_included(std::vector<Section>& all, const Scalar& wanted,
                                     std::size_t file, std::string_view what) {
  std::vector<std::string> names;
  for (Section& section : all) {
    std::string name = source_.files[section.file].prefix + section.name;
    if (section.file == file || name == section.name) continue;
    if (name == wanted.text) return &section;
    names.push_back(std::move(name));
  }
  const std::string_view near = nearest(wanted.text, {names.begin(), names.end()});
  diagnostics_.error(
      "E701", wanted.whole(),
      "no included " + std::string(what) + " is named " + quoted_name(wanted.text) +
          (near.empty() ? std::string() : "; did you mean " + quoted_name(near) + "?"));
  return nullptr;
}

void BundleLoader::apply_extension(SectionReader::Extension& extension, std::size_t file) {
  if (extension.is_table) {
    if (TableSource* table = find_included(source_.tables, extension.name, file, "table"))
      for (YamlEntry& row : extension.rows)
        table->items.emplace_back(std::move(row.first), std::move(row.second));
    return;
  }
  ListSource* list = find_included(source_.lists, extension.name, file, "list");
  if (list == nullptr) return;
  if (list->dynamic)
    reader_.wrong(extension.name.whole(),
                  "a dynamic list is filled by rules and commands, not by `extend`");
  std::move(extension.items.begin(), extension.items.end(), std::back_inserter(list->items));
}

void BundleLoader::apply_changes(const YamlEntry& entry, Rules& rules, std::size_t file) {
  if (!reader_.sequence(entry)) return;
  for (const YamlNode& change : entry.second.items) {
    if (change.kind == YamlNode::Kind::Map)
      apply_change(change, rules, file);
    else
      reader_.wrong(change.span, "an entry of `change` names a rule: {rule: base/x, mode: shadow}");
  }
}

RuleSource* BundleLoader::changed_rule(const YamlNode& change, Rules& rules) {
  const YamlNode* node = change.find("rule");
  const Scalar* name = scalar_of(change, "rule");
  if (!name) {
    reader_.missing_key(node ? node->span : change.span, "rule", "an entry of `change`",
                        ", the name of an included rule");
    return nullptr;
  }
  const auto found = std::find_if(rules.begin(), rules.end(),
                                  [name](const RuleSource& r) { return r.name == name->text; });
  if (found != rules.end()) return &*found;
  std::vector<std::string_view> names;
  for (const RuleSource& rule : rules) names.push_back(rule.name);
  const std::string_view near = nearest(name->text, names);
  diagnostics_.error(
      "E701", name->whole(),
      "no rule is named " + quoted_name(name->text) +
          (near.empty() ? std::string() : "; did you mean " + quoted_name(near) + "?"));
  return nullptr;
}

void BundleLoader::apply_change(const YamlNode& change, Rules& rules, std::size_t file) {
  RuleSource* rule = changed_rule(change, rules);
  bool remove = false, changes = false;
  YamlNode mode;
  reader_.entries(change, kChangeKeys, "an entry of `change`",
                  [&](const YamlEntry& entry, std::size_t index) {
                    changes = changes || index > 0;
                    if (index == 1 && reader_.map(entry) && rule)
                      change_rule(*rule, entry.second, file, diagnostics_);
                    if (index == 2) remove = reader_.boolean(entry).value_or(false);
                    if (index != 3 || !rule) return;
                    mode.kind = YamlNode::Kind::Map;
                    mode.entries.push_back(entry);
                    change_rule(*rule, mode, file, diagnostics_);
                  });
  if (!changes)
    reader_.missing_key(change.span, "set", "an entry of `change`", ", `remove: true` or `mode`");
  if (rule && remove) rules.erase(rules.begin() + (rule - rules.data()));
}

void BundleLoader::check_rule_names() {
  std::unordered_map<std::string_view, const RuleSource*> seen;
  for (const RuleSource& rule : source_.rules) {
    const auto [first, is_new] = seen.emplace(rule.name, &rule);
    if (!is_new)
      diagnostics_.error("E104", rule.name_span,
                         "a rule named " + quoted_name(rule.name) + " stands in " +
                             place_of(first->second->name_span) + " already");
  }
}

PolicySource load_policy(const std::vector<std::string>& paths, Diagnostics& diagnostics) {
  BundleLoader loader(diagnostics);
  for (const std::string& path : paths) loader.add_path(path);
  return loader.finish();
}

PolicySource load_policy_text(std::string name, std::string text, Diagnostics& diagnostics) {
  BundleLoader loader(diagnostics);
  loader.add_file(std::make_shared<const SourceFile>(std::move(name), std::move(text)));
  return loader.finish();
}

std::string render_summary(std::string_view name, const PolicySource& source,
                           const Diagnostics& diagnostics) {
  return std::string(name) + ": " + counted(source.rules.size(), "rule") + ", " +
         counted(diagnostics.errors(), "error") + ", " + counted(diagnostics.warnings(), "warning");
}

}  // namespace sluice::policy
