import { Button } from "@mantine/core";
import { IconDownload, IconPrinter } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useRef, type ReactElement } from "react";
import { runbookQuery } from "../../api/queries.ts";
import { PageTitle } from "../../parts/page-title.tsx";
import { Answered } from "../../parts/states.tsx";

const ADDRESS = "/api/runbook?format=html";

/** What to do when something is lost, as it stands now. It is a page of its own, which prints as it is. */
export function Runbook(): ReactElement {
  const query = useQuery(runbookQuery());
  const frame = useRef<HTMLIFrameElement>(null);
  return (
    <>
      <PageTitle title="Runbook">
        <Button
          variant="default"
          leftSection={<IconPrinter size={16} />}
          onClick={() => frame.current?.contentWindow?.print()}
        >
          Print
        </Button>
        <Button
          variant="default"
          leftSection={<IconDownload size={16} />}
          component="a"
          href={ADDRESS}
          download="runbook.html"
        >
          Keep a copy
        </Button>
      </PageTitle>
      <Answered query={query}>
        {() => <iframe ref={frame} className="page" src={ADDRESS} title="The runbook" />}
      </Answered>
    </>
  );
}
