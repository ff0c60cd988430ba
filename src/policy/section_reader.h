// The sections of a policy file beside its rules: defaults, lists, tables, dnsbl, facts,
// recipients, let. Private to the front half of policy/.
#pragma once
#include "policy/policy_source.h"
#include "policy/schema.h"

namespace sluice::policy {

class SectionReader {
 public:
  // What is read goes into `source`; `file` is the index of the file in it.
  SectionReader(PolicySource& source, std::size_t file, Diagnostics& diagnostics)
      : source_(source), file_(file), reader_(diagnostics) {}

  void defaults(const YamlEntry& e);
  // Lists are taken out of the tree, for they may be long. Entries that extend an included list or
  // table are left in `extensions`.
  void lists(YamlEntry& e);
  void tables(YamlEntry& e);
  void dnsbl(const YamlEntry& e);
  void facts(const YamlEntry& e);
  void let(const YamlEntry& e);
  void recipients(const YamlEntry& e);
  void timezone(const YamlEntry& e);

  // `lists: {base/own_nets: {extend: [...]}}`, `tables: {base/moved: {extend: {...}}}`
  struct Extension {
    Scalar name;
    bool is_table = false;
    std::vector<YamlNode> items;                      // of a list
    std::vector<YamlEntry> rows;                      // of a table
  };
  std::vector<Extension>& extensions() { return extensions_; }

 private:
  FileSource& own_file() { return source_.files[file_]; }
  void list(YamlEntry& e);
  void extension(YamlEntry& e);
  void list_types(ListSource& list, const YamlEntry& e);
  void table(YamlEntry& e);
  void table_extension(YamlEntry& e);
  void table_items(TableSource& table, YamlEntry& e);
  void dnsbl_list(const YamlEntry& e);
  void fact(const YamlEntry& e);
  // E104 when a list, table or let of this file has the name already.
  bool is_new(const Scalar& name, std::string_view what);
  void require(const YamlEntry& e, std::string_view key, std::string_view what);

  PolicySource& source_;
  std::size_t file_;
  SchemaReader reader_;
  std::vector<Extension> extensions_;
};

}  // namespace sluice::policy
