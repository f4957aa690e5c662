# Everything comes from Debian 12 but DuckDB, which `./run` and `./test` fetch with npm into third_party/ (docs/decisions).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
link_libraries(Threads::Threads)

function(trawl_pkg name module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
  add_library(trawl_ext_${name} INTERFACE)
  target_link_libraries(trawl_ext_${name} INTERFACE PkgConfig::${name})
endfunction()

trawl_pkg(YAML yaml-0.1)
trawl_pkg(MHD libmicrohttpd)
trawl_pkg(CURL libcurl)
trawl_pkg(SECCOMP libseccomp)
trawl_pkg(CAP libcap)
trawl_pkg(PCAP libpcap)
trawl_pkg(ZSTD libzstd)
trawl_pkg(LZ4 liblz4)
trawl_pkg(ZLIB zlib)
trawl_pkg(CRYPTO libcrypto)
trawl_pkg(RE2 re2)
trawl_pkg(JANSSON jansson)
trawl_pkg(ARCHIVE libarchive)
trawl_pkg(CMOCKA cmocka)
add_library(trawl_ext_BROTLI INTERFACE)
pkg_check_modules(BROTLIDEC REQUIRED IMPORTED_TARGET libbrotlidec)
target_link_libraries(trawl_ext_BROTLI INTERFACE PkgConfig::BROTLIDEC)

# libduckdb is loaded with dlopen and only in query and dissect processes, so only its header is needed to build.
set(DUCKDB_DIR ${PROJECT_SOURCE_DIR}/third_party/duckdb CACHE PATH "folder with duckdb.h and libduckdb.so")
if(NOT EXISTS ${DUCKDB_DIR}/duckdb.h)
  message(FATAL_ERROR "duckdb.h is not in ${DUCKDB_DIR}: run ./run --build-only once, it fetches it")
endif()
add_library(trawl_ext_DUCKDB INTERFACE)
target_include_directories(trawl_ext_DUCKDB SYSTEM INTERFACE ${DUCKDB_DIR})
target_link_libraries(trawl_ext_DUCKDB INTERFACE ${CMAKE_DL_LIBS})

# The library stands beside the binaries, where they look for it first.
function(trawl_place_duckdb)
  foreach(folder ${PROJECT_BINARY_DIR} ${PROJECT_BINARY_DIR}/tests)
    file(MAKE_DIRECTORY ${folder})
    file(CREATE_LINK ${DUCKDB_DIR}/libduckdb.so ${folder}/libduckdb.so SYMBOLIC)
  endforeach()
endfunction()

# The dashboard (web/dist) is compiled into the library as byte arrays.
function(trawl_embed_web target)
  set(out ${PROJECT_BINARY_DIR}/embedded_web.c)
  file(GLOB_RECURSE assets CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/dist/*)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DDIST=${PROJECT_SOURCE_DIR}/web/dist -DOUT=${out} -P ${PROJECT_SOURCE_DIR}/cmake/EmbedWeb.cmake
    DEPENDS ${assets} ${PROJECT_SOURCE_DIR}/cmake/EmbedWeb.cmake)
  target_sources(${target} PRIVATE ${out})
endfunction()
