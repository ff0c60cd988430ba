// Loads the files of one bundle: main files, what they include, their changes, their tests. Private
// to the front half of policy/.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "policy/policy_source.h"
#include "policy/schema.h"
#include "policy/section_reader.h"

namespace sluice::policy {

class BundleLoader {
 public:
  explicit BundleLoader(Diagnostics& diagnostics)
      : diagnostics_(diagnostics), reader_(diagnostics) {}

  void add_path(const std::string& path);  // a file or a folder
  void add_file(const SourceFilePtr& file);
  PolicySource finish();

 private:
  struct Document {
    SourceFilePtr source;
    YamlNode root;
  };
  // What of a file must wait for its includes.
  struct Pending {
    std::vector<SectionReader::Extension> extensions;
    YamlEntry* include = nullptr;
    YamlEntry* change = nullptr;
    bool own_rules_last = false;  // position: after
  };
  using Rules = std::vector<RuleSource>;

  std::optional<Document> parse(const SourceFilePtr& file);
  void add_folder(const std::string& path);
  void load_tests(Document& document);
  bool names_loaded_file(const std::string& policy) const;
  void load_main(Document document);
  Rules load_document(Document& document, const std::string& prefix);
  void check_version(const YamlNode& root, const SourceSpan& place);
  void read_section(YamlEntry& entry, SectionReader& sections, Pending& pending, Rules& rules,
                    std::size_t file);
  void read_rules(YamlEntry& entry, Rules& rules, std::size_t file);
  Rules include_all(const YamlEntry& entry, const SourceFilePtr& from);
  Rules include_one(const Scalar& path, const SourceFilePtr& from);
  std::string bundle_prefix(const YamlNode& root);
  template <class Section>
  Section* find_included(std::vector<Section>& all, const Scalar& wanted, std::size_t file,
                         std::string_view what);
  void apply_extension(SectionReader::Extension& extension, std::size_t file);
  void apply_changes(const YamlEntry& entry, Rules& rules, std::size_t file);
  void apply_change(const YamlNode& change, Rules& rules, std::size_t file);
  RuleSource* changed_rule(const YamlNode& change, Rules& rules);
  void check_rule_names();

  Diagnostics& diagnostics_;
  SchemaReader reader_;
  PolicySource source_;
  std::vector<Document> tests_;         // files that hold tests only
  std::vector<std::string> including_;  // chain of includes being read
  std::vector<std::string> included_;   // read already: a file that two others include counts once
  std::map<std::string, SourceSpan> prefixes_;
};

}  // namespace sluice::policy
