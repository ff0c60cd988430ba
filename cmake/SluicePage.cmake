# The page of the admin port, as it lies in src/app/page, compiled into the program: no build step of its own, and no
# file that could be missing at run time. Included, it adds the source to sluice_app; run with -P, it writes it.
if(CMAKE_SCRIPT_MODE_FILE)
  set(text "#include \"app/page_files.h\"\nnamespace sluice::app {\n")
  foreach(file index.html page.css page.js)
    file(READ ${FOLDER}/${file} bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(REGEX REPLACE "[.]" "_" name "${file}")
    string(APPEND text "static const unsigned char ${name}[] = {${bytes}0};\n")
  endforeach()
  string(APPEND text "static std::string_view text_of(const unsigned char* bytes, std::size_t size) {\n"
    "  return {reinterpret_cast<const char*>(bytes), size - 1};\n}\n"
    "std::string_view page_html() { return text_of(index_html, sizeof index_html); }\n"
    "std::string_view page_css() { return text_of(page_css_bytes, sizeof page_css_bytes); }\n"
    "std::string_view page_js() { return text_of(page_js_bytes, sizeof page_js_bytes); }\n"
    "}  // namespace sluice::app\n")
  string(REPLACE "char page_css[]" "char page_css_bytes[]" text "${text}")
  string(REPLACE "char page_js[]" "char page_js_bytes[]" text "${text}")
  file(WRITE ${OUT} "${text}")
  return()
endif()

set(page_folder ${CMAKE_SOURCE_DIR}/src/app/page)
set(page_source ${CMAKE_BINARY_DIR}/page_files.cpp)
add_custom_command(OUTPUT ${page_source}
  COMMAND ${CMAKE_COMMAND} -DFOLDER=${page_folder} -DOUT=${page_source} -P ${CMAKE_CURRENT_LIST_FILE}
  DEPENDS ${page_folder}/index.html ${page_folder}/page.css ${page_folder}/page.js ${CMAKE_CURRENT_LIST_FILE})
target_sources(sluice_app PRIVATE ${page_source})
