/** Where Statuspage has its summary. */
export const STATUS_PATH = "/api/v2/summary.json";

/** What the service tells the public of its managed databases: nothing, or an incident of this name. */
export class ServiceStatus {
  #incident: { readonly name: string; readonly since: Date } | undefined;

  report(name: string, since: Date): void {
    this.#incident = { name, since };
  }

  resolve(): void {
    this.#incident = undefined;
  }

  /** As Statuspage words it. */
  summary(): object {
    const incident = this.#incident;
    const status = incident === undefined ? "operational" : "major_outage";
    const component = (id: string, name: string, state: string): object => ({
      id,
      name,
      status: state,
      group: false,
      group_id: null,
    });
    const databases = component("managed-databases", "Managed Databases", status);
    return {
      page: { id: "emulated", name: "Emulated service" },
      status:
        incident === undefined
          ? { indicator: "none", description: "All Systems Operational" }
          : { indicator: "major", description: "Partial System Outage" },
      components: [databases, component("spaces", "Spaces", "operational")],
      incidents:
        incident === undefined
          ? []
          : [
              {
                id: "incident",
                name: incident.name,
                status: "investigating",
                impact: "major",
                created_at: incident.since.toISOString(),
                started_at: incident.since.toISOString(),
                incident_updates: [{ status: "investigating", body: "We look into it." }],
                components: [databases],
              },
            ],
      scheduled_maintenances: [],
    };
  }
}
