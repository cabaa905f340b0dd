# cmake -DOUTPUT=file.cc "-DFILES=a.sql;b.sql" -P embed_migrations.cmake
# Writes the migrations into a C++ file, so that binaries need no directory at run time.
set(_text "#include \"libs/common/adapters/postgres/embedded_migrations.h\"\n\nnamespace renderyard::postgres {\nnamespace {\nconstexpr std::pair<std::string_view, std::string_view> kFiles[] = {\n")
foreach(_file ${FILES})
  get_filename_component(_name ${_file} NAME)
  # Read as hex: a CMake list would swallow semicolons and brackets.
  file(READ ${_file} _hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" _bytes "${_hex}")
  string(APPEND _text "    {\"${_name}\", \"${_bytes}\"},\n")
endforeach()
string(APPEND _text "};\n}  // namespace\nconst std::span<const std::pair<std::string_view, std::string_view>> kEmbeddedMigrations{kFiles};\n}  // namespace renderyard::postgres\n")
file(WRITE ${OUTPUT} "${_text}")
