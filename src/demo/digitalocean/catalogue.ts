// What the service offers. Slugs as in the public API contract, version of 2026-08; a few of many.

export const REGIONS = ["ams3", "fra1", "lon1", "nyc1", "nyc3", "sfo3", "sgp1"] as const;

const SINGLE = ["db-s-1vcpu-1gb"];
const ANY = ["db-s-1vcpu-2gb", "db-s-2vcpu-4gb", "db-s-4vcpu-8gb", "db-s-6vcpu-16gb"];

export const LAYOUTS: readonly { readonly num_nodes: number; readonly sizes: readonly string[] }[] = [
  { num_nodes: 1, sizes: [...SINGLE, ...ANY] },
  { num_nodes: 2, sizes: ANY },
  { num_nodes: 3, sizes: ANY },
];

/** The answer of the options endpoint. The versions are those that this machine can run. */
export function optionsAnswer(majors: readonly number[]): object {
  const versions = majors.map(String);
  const newest = versions.at(-1);
  return {
    options: {
      pg: {
        regions: REGIONS,
        versions,
        layouts: LAYOUTS,
        ...(newest === undefined ? {} : { default_version: newest }),
      },
    },
    version_availability: {
      pg: versions.map((version) => ({
        version,
        end_of_life: null,
        end_of_availability: null,
        default: version === newest,
      })),
    },
  };
}
