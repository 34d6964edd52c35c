"""The extract of a Korean hospital's data warehouse: KCD, the hospital's own codes and units."""

from pumasi.simulate.writers.delivery import Writer

# file, column, meaning, unit, code system: what the hospital hands out with its extract.
DICTIONARY = """\
file,column,meaning,unit,code_system
patients,patient_no,number of the patient,,
patients,sex,M or F,,
patients,birth_date,date of birth,YYYYMMDD,
patients,region,province of residence,,
patients,death_date,date of death if the hospital knows of it,YYYY-MM-DD,
patients,registered_date,first day at the hospital,YYYY-MM-DD,
encounters,encounter_no,number of the encounter,,
encounters,patient_no,number of the patient,,
encounters,visit_type,O outpatient; E emergency; I inpatient,,
encounters,start_datetime,begin,YYYY-MM-DD HH:MI,
encounters,end_datetime,end,YYYY-MM-DD HH:MI,
encounters,department,department,,
diagnoses,diagnosis_no,number of the diagnosis,,
diagnoses,patient_no,number of the patient,,
diagnoses,encounter_no,number of the encounter,,
diagnoses,kcd_code,code of the diagnosis without dot,,KCD
diagnoses,kcd_version,revision of the code system,,
diagnoses,diagnosis_type,M main; S sub; R to be ruled out,,
diagnoses,diagnosed_date,day of the diagnosis,YYYY-MM-DD,
diagnoses,recorded_datetime,when it was first entered,YYYY-MM-DD HH:MI,
orders,order_no,number of the order,,
orders,patient_no,number of the patient,,
orders,encounter_no,number of the encounter,,
orders,order_code,code of the drug,,SIM-EDI
orders,ordered_date,day of the order,YYYY-MM-DD,
orders,quantity,units in all,units,
orders,daily_dose,dose a day,mg/day; ug/day if inhaled,
orders,daily_times,times a day,/day,
orders,days,days of supply,days,
orders,route,route,,
orders,recorded_datetime,when it was entered,YYYY-MM-DD HH:MI,
lab_results,result_no,number of the result,,
lab_results,patient_no,number of the patient,,
lab_results,encounter_no,number of the encounter,,
lab_results,lab_code,code of the test,,SIM-LAB
lab_results,specimen_date,day of the specimen,YYYY-MM-DD,
lab_results,reported_datetime,when it was reported,YYYY-MM-DD HH:MI,
lab_results,value_number,result as number,as unit says,
lab_results,value_text,result as word,,
lab_results,unit,unit of the result,,
procedures,procedure_no,number of the procedure,,
procedures,patient_no,number of the patient,,
procedures,encounter_no,number of the encounter,,
procedures,procedure_code,code of the procedure,,SIM-PROC
procedures,performed_date,day of the procedure,YYYY-MM-DD,
procedures,recorded_datetime,when it was entered,YYYY-MM-DD HH:MI,
"""

HOSPITAL_CSV = Writer(
    ending=".csv",
    options="format csv, header true",
    once={"data_dictionary.csv": DICTIONARY},
    files={
        "patients": """
            select 'H' || person as patient_no, case when female then 'F' else 'M' end as sex,
                strftime(birth_date, '%Y%m%d') as birth_date,
                case person % 8 when 0 then 'Gyeonggi' when 1 then 'Incheon' else 'Seoul' end
                    as region,
                death_date, registered_date
            from persons order by person
        """,
        "encounters": """
            select 'E' || row_id as encounter_no, 'H' || person as patient_no,
                upper(left(replace(kind, 'emergency', 'e'), 1)) as visit_type,
                event_date || ' 09:00' as start_datetime,
                end_date || ' 17:00' as end_datetime, specialty as department
            from visits order by row_id
        """,
        "diagnoses": """
            select 'D' || row_id as diagnosis_no, 'H' || person as patient_no,
                'E' || visit_id as encounter_no, replace(kcd, '.', '') as kcd_code,
                case when event_date < date '2021-01-01' then 'KCD7' else 'KCD8' end as kcd_version,
                case role when 'main' then 'M' when 'sub' then 'S' else 'R' end as diagnosis_type,
                event_date as diagnosed_date, recorded_date || ' 12:00' as recorded_datetime
            from conditions order by row_id
        """,
        "orders": """
            select 'O' || row_id as order_no, 'H' || person as patient_no,
                'E' || visit_id as encounter_no, local_code as order_code,
                event_date as ordered_date, quantity,
                round(dose, 3) as daily_dose,
                case when route = 'inhalation' then 2 else 1 end as daily_times,
                days_supply as days, route, recorded_date || ' 12:00' as recorded_datetime
            from drugs order by row_id
        """,
        "lab_results": """
            select 'R' || row_id as result_no, 'H' || person as patient_no,
                'E' || visit_id as encounter_no, local_code as lab_code,
                event_date as specimen_date, recorded_date || ' 12:00' as reported_datetime,
                value as value_number, upper(value_term) as value_text, unit
            from measurements order by row_id
        """,
        "procedures": """
            select 'P' || row_id as procedure_no, 'H' || person as patient_no,
                'E' || visit_id as encounter_no, local_code as procedure_code,
                event_date as performed_date, recorded_date || ' 12:00' as recorded_datetime
            from procedures
            union all
            select 'N' || row_id, 'H' || person, 'E' || visit_id, local_code, event_date,
                recorded_date || ' 12:00'
            from observations
            order by 1
        """,
    },
)
