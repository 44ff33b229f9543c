//! Where an extension or a locale that is not there can be had. Pure knowledge, one table.

use crate::text::one_line;

/// Where the server's files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A Docker image, by its reference.
    Image(&'a str),
    /// This machine's own packages.
    Machine,
}

/// Where one or more extensions come from; `{major}` stands for the server's major version.
struct Source {
    extensions: &'static [&'static str],
    /// A published image that has them, never `latest`: what is tested must be named.
    image: Option<&'static str>,
    /// The oldest and the newest major version that the image is published for.
    majors: (u32, u32),
    /// Packages of Debian and of apt.postgresql.org, whose names are the same.
    packages: &'static str,
}

const ANY: (u32, u32) = (0, u32::MAX);

const fn package(extensions: &'static [&'static str], packages: &'static str) -> Source {
    Source { extensions, image: None, majors: ANY, packages }
}

/// Extensions that PostgreSQL's own source does not build or that Debian packages apart. Names of
/// images are those of their makers; a tag of two versions is the newest that all those majors have.
const SOURCES: &[Source] = &[
    Source {
        extensions: &[
            "postgis",
            "postgis_raster",
            "postgis_sfcgal",
            "postgis_topology",
            "postgis_tiger_geocoder",
            "address_standardizer",
            "address_standardizer_data_us",
        ],
        image: Some("postgis/postgis:{major}-3.5"),
        majors: (13, 17),
        packages: "postgresql-{major}-postgis-3 postgresql-{major}-postgis-3-scripts",
    },
    Source {
        extensions: &["vector"],
        image: Some("pgvector/pgvector:pg{major}"),
        majors: (13, 18),
        packages: "postgresql-{major}-pgvector",
    },
    Source {
        extensions: &["timescaledb", "timescaledb_toolkit"],
        image: Some("timescale/timescaledb-ha:pg{major}"),
        majors: (13, 18),
        packages: "timescaledb-2-postgresql-{major}",
    },
    Source {
        extensions: &["citus", "citus_columnar"],
        image: Some("citusdata/citus:postgres_{major}"),
        majors: (14, 16),
        packages: "postgresql-{major}-citus-13.0",
    },
    Source {
        extensions: &["age"],
        image: Some("apache/age:release_PG{major}_1.6.0"),
        majors: (16, 17),
        packages: "postgresql-{major}-age",
    },
    package(&["plperl", "plperlu"], "postgresql-plperl-{major}"),
    package(&["bool_plperl", "bool_plperlu"], "postgresql-plperl-{major}"),
    package(&["hstore_plperl", "hstore_plperlu"], "postgresql-plperl-{major}"),
    package(&["jsonb_plperl", "jsonb_plperlu"], "postgresql-plperl-{major}"),
    package(&["plpython3u", "hstore_plpython3u"], "postgresql-plpython3-{major}"),
    package(&["jsonb_plpython3u", "ltree_plpython3u"], "postgresql-plpython3-{major}"),
    package(&["pltcl", "pltclu"], "postgresql-pltcl-{major}"),
    package(&["plr"], "postgresql-{major}-plr"),
    package(&["plsh"], "postgresql-{major}-plsh"),
    package(&["pllua", "plluau"], "postgresql-{major}-pllua"),
    package(&["plproxy"], "postgresql-{major}-plproxy"),
    package(&["plpgsql_check"], "postgresql-{major}-plpgsql-check"),
    package(&["pldbgapi"], "postgresql-{major}-pldebugger"),
    package(&["pg_cron"], "postgresql-{major}-cron"),
    package(&["pg_partman"], "postgresql-{major}-partman"),
    package(&["pg_repack"], "postgresql-{major}-repack"),
    package(&["pg_qualstats"], "postgresql-{major}-pg-qualstats"),
    package(&["pg_stat_kcache"], "postgresql-{major}-pg-stat-kcache"),
    package(&["pg_wait_sampling"], "postgresql-{major}-pg-wait-sampling"),
    package(&["pg_track_settings"], "postgresql-{major}-pg-track-settings"),
    package(&["pgaudit"], "postgresql-{major}-pgaudit"),
    package(&["pglogical"], "postgresql-{major}-pglogical"),
    package(&["pgrouting"], "postgresql-{major}-pgrouting"),
    package(&["pgtap"], "postgresql-{major}-pgtap"),
    package(&["pgq", "pgq_node"], "postgresql-{major}-pgq3 postgresql-{major}-pgq-node"),
    package(&["pg_sphere"], "postgresql-{major}-pgsphere"),
    package(&["mysql_fdw"], "postgresql-{major}-mysql-fdw"),
    package(&["ogr_fdw"], "postgresql-{major}-ogr-fdw"),
    package(&["tds_fdw"], "postgresql-{major}-tds-fdw"),
    package(&["orafce"], "postgresql-{major}-orafce"),
    package(&["hll"], "postgresql-{major}-hll"),
    package(&["hypopg"], "postgresql-{major}-hypopg"),
    package(&["ip4r"], "postgresql-{major}-ip4r"),
    package(&["jsquery"], "postgresql-{major}-jsquery"),
    package(&["numeral"], "postgresql-{major}-numeral"),
    package(&["periods"], "postgresql-{major}-periods"),
    package(&["pointcloud", "pointcloud_postgis"], "postgresql-{major}-pointcloud"),
    package(&["powa"], "postgresql-{major}-powa"),
    package(&["prefix"], "postgresql-{major}-prefix"),
    package(&["q3c"], "postgresql-{major}-q3c"),
    package(&["rdkit"], "postgresql-{major}-rdkit"),
    package(&["rum"], "postgresql-{major}-rum"),
    package(&["semver"], "postgresql-{major}-semver"),
    package(&["set_user"], "postgresql-{major}-set-user"),
    package(&["tdigest"], "postgresql-{major}-tdigest"),
    package(&["unit"], "postgresql-{major}-unit"),
    package(&["debversion"], "postgresql-{major}-debversion"),
];

/// The first step to an extension that the server lacks; `None` where nobody here knows it.
pub fn extension_step(extension: &str, major: u32, place: Place<'_>) -> Option<String> {
    let source = SOURCES.iter().find(|source| source.extensions.contains(&extension))?;
    let fill = |text: &str| text.replace("{major}", &major.to_string());
    let packages = fill(source.packages);
    let of_major = (source.majors.0..=source.majors.1).contains(&major);
    Some(match (place, source.image.filter(|_| of_major)) {
        (Place::Image(_), Some(image)) => format!(
            "Use an image that has it: --image {}, or `postgres.image` in the scenario.",
            fill(image)
        ),
        (Place::Image(image), None) => {
            built(image, &format!("apt-get update && apt-get install -y {packages}"))
        }
        (Place::Machine, _) => format!("Install it: apt install {packages}."),
    })
}

/// The first step to a libc locale that the server lacks; `None` for names that no Linux has.
pub fn locale_step(locale: &str, place: Place<'_>) -> Option<String> {
    let (name, modifier) = match locale.split_once('@') {
        Some((name, modifier)) => (name, format!("@{modifier}")),
        None => (locale, String::new()),
    };
    let (language, codeset) = name.split_once('.').unwrap_or((name, "ISO-8859-1"));
    let is_word = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let is_country = language
        .split_once('_')
        .is_some_and(|(language, country)| (2..=3).contains(&language.len()) && country.len() == 2);
    if !is_country || ![language, codeset].into_iter().all(is_word) || modifier.len() > 20 {
        return None;
    }
    let codeset = match codeset.to_ascii_lowercase().as_str() {
        "utf8" | "utf-8" => "UTF-8",
        "iso88591" => "ISO-8859-1",
        "iso885915" => "ISO-8859-15",
        _ => codeset,
    };
    let made = format!("localedef -i {language}{modifier} -f {codeset} {}", one_line(locale, 60));
    Some(match place {
        Place::Image(image) => built(image, &made),
        Place::Machine => {
            format!("Make it, as root: {made} (Debian, Ubuntu: apt install locales).")
        }
    })
}

fn built(image: &str, command: &str) -> String {
    format!(
        "Build an image with it and name that with --image: FROM {image}, USER root, RUN {command} (if the image is a Debian)."
    )
}

#[cfg(test)]
mod tests {
    use super::{Place, SOURCES, extension_step, locale_step};

    const OFFICIAL: Place<'_> = Place::Image("postgres:15");

    #[test]
    fn a_known_extension_has_an_image_or_a_package() {
        let step = |name, place| extension_step(name, 15, place).unwrap();
        assert!(step("postgis_topology", OFFICIAL).contains("--image postgis/postgis:15-3.5"));
        assert!(step("vector", OFFICIAL).contains("pgvector/pgvector:pg15"));
        assert!(step("pg_cron", OFFICIAL).contains("FROM postgres:15"));
        assert!(step("plperlu", OFFICIAL).contains("install -y postgresql-plperl-15"));
        assert_eq!(
            step("vector", Place::Machine),
            "Install it: apt install postgresql-15-pgvector."
        );
        assert_eq!(extension_step("house_made", 15, OFFICIAL), None);
    }

    #[test]
    fn a_major_without_a_published_image_gets_the_packages() {
        assert!(
            extension_step("postgis", 19, OFFICIAL).unwrap().contains("postgresql-19-postgis-3")
        );
    }

    #[test]
    fn every_extension_has_one_source_and_no_image_is_latest() {
        let mut seen = std::collections::BTreeSet::new();
        for source in SOURCES {
            assert!(source.extensions.iter().all(|name| seen.insert(*name)));
            assert!(
                source.image.is_none_or(|image| image.contains(':') && !image.contains("latest"))
            );
            assert!(source.packages.contains("{major}"));
        }
    }

    #[test]
    fn a_locale_is_made_by_its_names_parts() {
        let step = locale_step("de_AT.utf8@euro", Place::Machine).unwrap();
        assert!(step.contains("localedef -i de_AT@euro -f UTF-8 de_AT.utf8@euro"), "{step}");
        assert!(locale_step("sv_SE", OFFICIAL).unwrap().contains("-f ISO-8859-1 sv_SE"));
        for name in ["C.UTF-8", "German_Germany.1252", "de_DE.$(rm)", "x"] {
            assert_eq!(locale_step(name, OFFICIAL), None, "{name}");
        }
    }
}
