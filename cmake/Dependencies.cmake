# Every library comes from Debian 12; scripts/deps names the packages.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)
find_package(CURL REQUIRED)
find_package(Protobuf REQUIRED)   # before gRPC: Debian ships no protobuf config file
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(GTest CONFIG REQUIRED)
find_package(simdjson CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(websocketpp CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PQXX REQUIRED IMPORTED_TARGET libpqxx)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp libwebpmux libwebpdemux)
pkg_check_modules(FLAC REQUIRED IMPORTED_TARGET flac)

# Every target that uses coroutines links this. One set of Asio's switches for the whole program: with
# BOOST_ASIO_NO_DEPRECATED in some files and not in others (websocketpp needs the old names) inline functions of Asio differ
# between them, and the program corrupts its memory.
add_library(renderyard_asio INTERFACE)
target_link_libraries(renderyard_asio INTERFACE Boost::headers Threads::Threads)
